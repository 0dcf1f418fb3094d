"""Overlays of `deployer.toml`: the tables `[env.NAME]`, one of which is merged over the rest."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from deployer.config import suggestions
from deployer.errors import ConfigError
from deployer.results.deployment import DEFAULT_ENV, ENV_VARIABLE

Table = dict[str, object]


def of_environment(overlays: object, env: str, file: Path | None) -> Table:
    """Return the overlay of an environment; empty for one without. Raises ConfigError."""
    if not isinstance(overlays, dict) or not all(isinstance(table, dict) for table in overlays.values()):
        raise ConfigError(f"{file}: env: should hold tables, such as [env.staging]", hint=_env_hint(overlays))
    if env in overlays:
        overlay: Table = overlays[env]
        if "env" in overlay:
            raise ConfigError(f"{file}: env.{env}.env: is no key of an overlay", hint=_env_hint(overlay["env"]))
        return overlay
    if env == DEFAULT_ENV or not overlays:
        return {}
    known = ", ".join(sorted(overlays))
    raise ConfigError(f"{file} has no [env.{env}]; it has: {known}", hint=_suggest_environments(env, overlays))


def merge(base: Mapping[str, object], overlay: Mapping[str, object]) -> Table:
    """Return the base with the overlay over it: tables are merged, other values replaced."""
    merged = dict(base)
    for key, value in overlay.items():
        under = merged.get(key)
        both_tables = isinstance(value, dict) and isinstance(under, dict)
        merged[key] = merge(under, value) if both_tables else value  # type: ignore[arg-type]
    return merged


def _env_hint(value: object) -> str:
    name = value if isinstance(value, str) else "NAME"
    return f"--env {name} or {ENV_VARIABLE}={name} chooses the environment"


def _suggest_environments(env: str, overlays: Mapping[str, object]) -> str:
    # The hint is an option: it overrides the variable that may have set the environment.
    if match := suggestions.closest_match(env, overlays):
        return f"did you mean {match}? --env {match}"
    options = " or ".join(f"--env {name}" for name in dict.fromkeys((DEFAULT_ENV, *sorted(overlays))))
    return f"{options} is known; [env.{env}] in deployer.toml adds this one"
