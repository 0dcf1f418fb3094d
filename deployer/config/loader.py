"""Loads `deployer.toml` into a Spec: the base, then `[env.NAME]`, then `DEPLOYER_*` variables, then options.

A ConfigError names the file, the key and the reason; for an unknown key its hint is the nearest known one.
"""

from __future__ import annotations

import dataclasses
import os
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path

from deployer.config import examples, hosts, overlays, paths, sizes, suggestions, variables
from deployer.config.document import interpolate, location
from deployer.config.fields import PREFIX, option_name
from deployer.config.gateway import ENABLED, check_is_chosen
from deployer.config.options import RENAMED, TABLES, Settings
from deployer.config.origins import Origins
from deployer.config.project import FALLBACK_PROJECT, check_project, default_project
from deployer.config.spec import SWARM, Spec
from deployer.config.swarm import EVERY_ADDRESS
from deployer.config.tables import SECTIONS
from deployer.errors import ConfigError, InvalidValue
from deployer.results.deployment import DEFAULT_ENV, ENV_VARIABLE
from deployer.results.model import check_name
from deployer.system import documents

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

Table = dict[str, object]

CONFIG_FILE = Path("deployer.toml")
HOST = "server.host"
TOML_HINT = (
    'a setting is a line such as name = "digits", with texts in quotes, below the [table] that it belongs to; '
    "deployer init in another directory writes an example"
)


def load(
    path: Path | None = None,
    env: str | None = None,
    overrides: Mapping[str, object] | None = None,
    environ: Mapping[str, str] | None = None,
) -> Spec:
    """Load the Spec from file, overlay, variables and options. Without `path` the file may be missing.

    `overrides` are options, by key or `section.key`; None is an option that is not set. Raises ConfigError.
    """
    return load_with_origins(path, env, overrides, environ)[0]


def load_with_origins(  # noqa: PLR0913
    path: Path | None = None,
    env: str | None = None,
    overrides: Mapping[str, object] | None = None,
    environ: Mapping[str, str] | None = None,
    *,
    with_overlay: bool = True,
    allow_unset: bool = False,
) -> tuple[Spec, Origins]:
    """Load the Spec as `load` does, and return what sets its keys, too. Raises ConfigError.

    Without the overlay, the tables `[env.NAME]` have no effect. With `allow_unset`, keys whose variables have no value
    are left out, except those that select what a command is about.
    """
    environ = os.environ if environ is None else environ
    options = {key: paths.to_local(key, value) for key, value in (overrides or {}).items() if value is not None}
    found = _find(path, environ)
    return _load(found, env, options, environ, with_overlay=with_overlay, allow_unset=allow_unset)


def _load(  # noqa: PLR0913
    file: Path | None,
    env: str | None,
    options: Mapping[str, object],
    environ: Mapping[str, str],
    *,
    with_overlay: bool = True,
    allow_unset: bool = False,
) -> tuple[Spec, Origins]:
    raw = _read(file) if file else {}
    overlay_tables = raw.pop("env", {})
    of_variables = variables.read(environ)
    layers = {key: paths.to_local(key, value) for key, (_, value) in of_variables.items()}
    chosen = str(env or layers.pop("env", None) or DEFAULT_ENV)
    directory = file.parent if file else Path()
    overlay = overlays.of_environment(overlay_tables, chosen, file) if with_overlay else {}
    in_file = with_overlay and isinstance(overlay_tables, dict) and chosen in overlay_tables
    places = dict.fromkeys(_paths(overlay), f"{file}: env.{chosen}")
    document, unset = interpolate(
        overlays.merge(raw, overlay),
        layers,
        frozenset({*layers, *options}),
        environ,
        file,
        places=places,
        allow_unset=allow_unset,
    )
    origins = Origins(
        str(file or ""),
        _flatten(document),
        {key: name for key, (name, _) in of_variables.items()},
        {key: _option_of(key) for key in options},
        overlay=f"env.{chosen}" if in_file else "",
        in_overlay=frozenset(_paths(overlay)),
        unset=unset,
    )
    if file or layers:
        document = paths.resolve_all(document, directory)
    document = {"project": default_project(directory), **document}
    _check_projects(document, layers, options, file)
    for key, value in {**layers, **options}.items():
        _set(document, key, value)
    names = {**origins.variables, **dict.fromkeys(options, "options")}
    spec = _build_spec({**document, "env": chosen}, str(file or "options"), names, places)
    if spec.engine == SWARM:
        spec = _on_swarm(spec, origins)
    else:
        _check_gateway_is_chosen(origins, file)
    origin = "--host" if HOST in options else names.get(HOST, f"{file}: {HOST}")
    return _with_ip_address(spec, origin), origins


def _check_gateway_is_chosen(origins: Origins, file: Path | None) -> None:
    try:
        check_is_chosen(origins)
    except InvalidValue as error:
        raise ConfigError(f"{file}: {error.message}", hint=error.hint) from error


def _on_swarm(spec: Spec, origins: Origins) -> Spec:
    """Return the spec with what is always so on a Swarm: a gateway, on every address of its nodes."""
    gateway = spec.gateway if origins.of(ENABLED) else dataclasses.replace(spec.gateway, enabled=True)
    server = spec.server if spec.server.host else dataclasses.replace(spec.server, host=EVERY_ADDRESS)
    return dataclasses.replace(spec, gateway=gateway, server=server)


def _paths(table: Mapping[str, object], above: str = "") -> Iterator[str]:
    """Yield the keys of all levels of a table: `models`, `models.digits`, `models.digits.labels`."""
    for key, value in table.items():
        yield f"{above}{key}"
        if isinstance(value, dict):
            yield from _paths(value, f"{above}{key}.")


def _flatten(document: Mapping[str, object]) -> Table:
    """Return the values of the document by key: `engine`, `docker.image`."""
    keys: Table = {}
    for name, value in document.items():
        if name in SECTIONS and isinstance(value, dict):
            keys |= {f"{name}.{key}": each for key, each in value.items()}
        else:
            keys[name] = value
    return keys


def _option_of(key: str) -> str:
    """Return the option that sets a key of the document."""
    if key in RENAMED:
        return option_name(Settings, RENAMED[key])
    table, _, name = key.rpartition(".")
    kind = TABLES[table]
    return option_name(kind, name) if name in {each.name for each in dataclasses.fields(kind)} else f"--{name}"


def check(path: Path | None, environ: Mapping[str, str] | None = None) -> None:
    """Raise ConfigError for an error in a file, if there is one, in any of its overlays, or in a variable."""
    environ = os.environ if environ is None else environ
    others = {name: text for name, text in environ.items() if name not in (variables.FILE_VARIABLE, ENV_VARIABLE)}
    if path is None:
        _load(None, None, {}, others)
    else:
        for env in environments(path, others):
            _load(path, env, {}, others)


def _with_ip_address(spec: Spec, origin: str) -> Spec:
    """Return the spec with the IP address of its host. Raises ConfigError with the `origin` of the host."""
    if spec.server.host is None:
        return spec
    try:
        address = hosts.resolve_host(spec.server.host)
    except InvalidValue as error:
        raise ConfigError(f"{origin}: {error.message}", hint=error.hint) from error
    return dataclasses.replace(spec, server=dataclasses.replace(spec.server, host=address))


def environments(path: Path | None = None, environ: Mapping[str, str] | None = None) -> tuple[str, ...]:
    """Return `local` and the environments that the file has an overlay for. Raises ConfigError."""
    file = _find(path, os.environ if environ is None else environ)
    names = _read(file).get("env", {}) if file else {}
    return tuple(dict.fromkeys((DEFAULT_ENV, *names))) if isinstance(names, dict) else (DEFAULT_ENV,)


def _check_projects(
    document: Mapping[str, object], layers: Mapping[str, object], options: Mapping[str, object], file: Path | None
) -> None:
    """Raise ConfigError for a malformed project name, even where another one overrides it."""
    variable = f"{PREFIX}PROJECT"
    for values, origin in ((document, f"{file}: project"), (layers, variable), (options, "--project")):
        _check_project(values.get("project", FALLBACK_PROJECT), origin)


def _check_project(name: object, origin: str) -> None:
    try:
        check_project(name)
    except InvalidValue as error:
        raise ConfigError(f"{origin}: {error.message}", hint=error.hint) from error


def _find(path: Path | None, environ: Mapping[str, str]) -> Path | None:
    text = path or environ.get(variables.FILE_VARIABLE)
    file = Path(text) if text else None
    if file is None:
        return CONFIG_FILE if CONFIG_FILE.is_file() else None
    if not file.is_file():
        raise ConfigError(f"there is no configuration file {file}", hint="deployer init writes one")
    return file


def _read(file: Path) -> Table:
    try:
        document: Table = tomllib.loads(file.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(
            f"{file} cannot be read: {error}", hint="save it as text in UTF-8, readable for you"
        ) from error
    except (ValueError, RecursionError) as error:  # ValueError also for a number with too many digits
        raise ConfigError(f"{file} is not valid TOML: {error}", hint=TOML_HINT) from error
    return document


def _set(document: Table, key: str, value: object) -> None:
    section, _, name = key.rpartition(".")
    if not section:
        document[name] = value
        return
    table = document.get(section, {})
    if isinstance(table, dict):
        document[section] = {**table, name: value}


def _build_spec(document: Table, file: str, origins: Mapping[str, str], places: Mapping[str, str]) -> Spec:
    """Return the document as a Spec. Raises ConfigError.

    `origins` name what set a key instead of the file, `places` the table of the file that has the keys of an overlay.
    """
    check_name(str(document["env"]), "environment")
    try:
        return documents.read(Spec, document, strict=True)
    except documents.UnknownKey as error:
        where = location(error.key_path, file, origins, places)
        suggestion = suggestions.suggest_key(error.key_path[-1], error.known)
        raise ConfigError(f"{where}{error.reason}", hint=suggestion) from error
    except documents.Mismatch as error:
        hint = sizes.size_hint_at(error.key_path, document) or _example_hint(error.key_path, origins)
        raise ConfigError(f"{location(error.key_path, file, origins, places)}{error.reason}", hint=hint) from error
    except InvalidValue as error:
        hint = error.hint or _example_hint(error.key_path, origins)
        raise ConfigError(f"{location(error.key_path, file, origins, places)}{error.message}", hint=hint) from error


def _example_hint(key_path: tuple[str, ...], origins: Mapping[str, str]) -> str | None:
    """Return the hint with a value that a setting may have, written for what sets it; None without an example."""
    key = ".".join(key_path)
    match origins.get(key):
        case None:
            return examples.hint(examples.example_of(key_path))
        case "options":
            return examples.hint(examples.assignment(f"{_option_of(key)} ", key))
        case variable:
            return examples.hint(examples.assignment(f"{variable}=", key))
