"""The document with the values of its variables: those of the environment, then those of the file in `env_file`."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from pathlib import Path

from deployer.config import env_file, paths
from deployer.config.fields import PREFIX
from deployer.config.interpolation import Interpolation, UnsetVariable
from deployer.errors import ConfigError, InvalidValue

Table = dict[str, object]

SECRET = (("docker", "environment"),)
"""The keys whose variables are secret: they may appear nowhere but in the container."""

SELECTING = frozenset({"project", "name", "engine", "state_dir", "models_dir", "docker.host"})
"""The keys that select what a command is about: without them it would show or change something else."""

TOGETHER: dict[str, tuple[str, ...]] = {"gateway": ("enabled",), "kubernetes": (), "kserve": ()}
"""The tables whose keys depend on each other, with the keys that stay where another one has no value."""


def interpolate(  # noqa: PLR0913
    document: Table,
    layers: Mapping[str, object],
    overridden: frozenset[str],
    environ: Mapping[str, str],
    file: Path | None,
    *,
    places: Mapping[str, str],
    allow_unset: bool = False,
) -> tuple[Table, tuple[str, ...]]:
    """Return the document with its variables replaced, and with `allow_unset` why it lacks keys.

    `layers` are the settings of `DEPLOYER_*` variables; keys that are `overridden` need no value; `places` are the
    tables of keys in an overlay. Raises ConfigError.
    """
    unreadable: list[ConfigError] = []
    unset: dict[tuple[str, ...], str] = {}

    def locate(error: InvalidValue, key_path: tuple[str, ...]) -> ConfigError:
        if unreadable and isinstance(error, UnsetVariable):
            return unreadable[0]
        return ConfigError(f"{location(key_path, str(file), {}, places)}{error.message}", hint=error.hint)

    def may_lack(error: InvalidValue, key_path: tuple[str, ...]) -> bool:
        key = ".".join(key_path)
        if key in overridden:
            return True
        if not allow_unset or key in SELECTING or not isinstance(error, UnsetVariable):
            return False
        unset[key_path] = locate(error, key_path).message
        return True

    own = Interpolation(environ, locate, SECRET, may_lack)
    path, origin = _env_file(document, own, layers, file)
    of_file: dict[str, str] = {}
    try:
        of_file = {} if path is None else env_file.read(path, origin)
    except ConfigError as error:
        if not allow_unset:
            raise
        unreadable.append(error)
    found = dataclasses.replace(own, variables={**of_file, **environ}).table(document)
    reasons = (*(error.message for error in unreadable), *unset.values())
    return _without(found, document, tuple(unset)), tuple(dict.fromkeys(reasons))


def _env_file(
    document: Table, own: Interpolation, layers: Mapping[str, object], file: Path | None
) -> tuple[Path | None, str]:
    """Return the path of the file with variables, and what sets it. The variables in it are of the environment."""
    key = env_file.KEY
    if (path := layers.get(key)) is not None:
        return Path(str(path)), f"{PREFIX}{key.upper()}"
    text = own.table({key: document[key]}).get(key) if key in document else None
    if not isinstance(text, str):
        return None, ""
    return Path(paths.resolve(file.parent if file else Path(), key, text)), f"{file}: {key}"


def _without(found: Table, document: Table, unset: tuple[tuple[str, ...], ...]) -> Table:
    """Return the document without keys that depend on those without a value; a model still has its source as text."""
    for key_path in unset:
        table, *rest = key_path
        if table in TOGETHER and rest:
            found[table] = {key: value for key, value in _table(found, table).items() if key in TOGETHER[table]}
        if table == "models" and rest[1:] == ["source"]:
            _table(_table(found, table), rest[0])["source"] = _table(_table(document, table), rest[0])["source"]
    return found


def _table(document: Table, key: str) -> Table:
    value = document.get(key)
    return value if isinstance(value, dict) else {}


def location(
    key_path: tuple[str, ...], file: str, origins: Mapping[str, str], places: Mapping[str, str] | None = None
) -> str:
    """Return where a key is set, and the key, for the begin of a message.

    `origins` set keys instead of the file; `places` are the tables of the file that have the keys of an overlay.
    """
    key = ".".join(key_path)
    if key in (places or {}) and key not in origins:
        return f"{(places or {})[key]}.{key}: "
    origin = origins.get(key, file)
    return f"{origin}: {key}: " if key else f"{origin}: "
