"""`token`: create a bearer token for the gateway, or revoke one. Only its hash is stored."""

from __future__ import annotations

import re
from pathlib import Path

from deployer.config import loader
from deployer.config.gateway import unused_settings
from deployer.config.loader import CONFIG_FILE
from deployer.config.options import Settings
from deployer.config.origins import Origins
from deployer.config.spec import Spec
from deployer.engines.docker.gateway import tokens
from deployer.errors import ConfigError, InvalidValue
from deployer.results.changes import TokenResult
from deployer.results.deployment import DEFAULT_ENV, cli_name

HOLDER = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,63}")


def token(name: str, *, revoke: bool = False, settings: Settings | None = None) -> TokenResult:
    """Create a token for `name` in the file `gateway.tokens`, in the place of a former one; or revoke it.

    The next `up` applies it. Raises ConfigError, InvalidValue.
    """
    chosen = settings or Settings()
    if not HOLDER.fullmatch(name):
        raise InvalidValue(f"token name {name[:40]!r} is not allowed: letters, digits, '_', '.' and '-'")
    spec, origins = loader.load_with_origins(chosen.config, chosen.env, chosen.overrides())
    path = spec.gateway.tokens
    if path is None:
        raise ConfigError(f"gateway.tokens is not set in [{spec.env}]", hint=_tokens_hint(chosen, spec, origins))
    hashes = tokens.read(path) if path.exists() else {}
    if revoke and hashes.pop(name, None) is None:
        raise InvalidValue(f"{path} has no token of {name}", hint=f"there are: {', '.join(sorted(hashes)) or 'none'}")
    created = None if revoke else tokens.generate()
    _write(path, hashes if created is None else {**hashes, name: tokens.hash_token(created)})
    replaced = (f"this replaces the former token of {name}",) if created is not None and name in hashes else ()
    up = f"deployer up{'' if spec.models else ' NAME:VERSION'}{cli_name('', spec.env)}{chosen.typed('config')}"
    applied = unused_settings(spec.gateway, origins) or f"{path} has changed: {up} brings it to the gateway"
    nobody = not hashes and created is None and spec.gateway.enabled
    refused = (f"{path} has no token left: after that, the gateway refuses every client",) if nobody else ()
    return TokenResult(name, created, path, (*replaced, applied, *refused))


def _tokens_hint(settings: Settings, spec: Spec, origins: Origins) -> str:
    """Return the hint to the environments that have tokens, or to the setting in the table of this environment."""
    envs = loader.environments(settings.config)
    specs = (loader.load(settings.config, env, settings.overrides()) for env in envs)
    options = [f"--env {spec.env}" for spec in specs if spec.gateway.tokens]
    if options:
        return f"{' or '.join(options)} has it"
    enabled = "" if spec.gateway.enabled else "enabled = true and "
    table = f"env.{spec.env}.gateway" if origins.overlay or spec.env != DEFAULT_ENV else "gateway"
    return f'{enabled}tokens = "tokens" under [{table}] in {origins.file_name or CONFIG_FILE}'


def _write(path: Path, hashes: dict[str, str]) -> None:
    try:
        tokens.write(path, hashes)
    except OSError as error:
        raise ConfigError(f"the tokens file {path} cannot be written: {error.strerror}") from error
