"""Loads `deployer.toml` into a Spec: the base, then `[env.NAME]`, then `DEPLOYER_*` variables, then options.

A ConfigError names the file, the key and the reason; for an unknown key its hint is the nearest known one.
"""

from __future__ import annotations

import dataclasses
import os
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import get_origin

from deployer.config import env_file, hosts, sizes, suggestions
from deployer.config.fields import option_name
from deployer.config.gateway import check_is_chosen
from deployer.config.interpolation import Interpolation
from deployer.config.options import TABLES
from deployer.config.origins import Origins
from deployer.config.project import FALLBACK_PROJECT, check_project, default_project
from deployer.config.spec import Docker, Gate, Gateway, Image, KServe, Kubernetes, Server, Spec, Swarm
from deployer.errors import ConfigError, InvalidValue, SourceNotFound
from deployer.results.deployment import DEFAULT_ENV
from deployer.results.model import check_name
from deployer.system import documents
from deployer.system.locations import local_path

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

Table = dict[str, object]

CONFIG_FILE = Path("deployer.toml")
PREFIX = "DEPLOYER_"
FILE_VARIABLE = "DEPLOYER_CONFIG"
TEST_PREFIXES = ("DEPLOYER_TEST_", "DEPLOYER_TESTBED_")
SECTIONS: dict[str, type] = {
    "server": Server,
    "gate": Gate,
    "docker": Docker,
    "image": Image,
    "gateway": Gateway,
    "swarm": Swarm,
    "kubernetes": Kubernetes,
    "kserve": KServe,
}
HOST = "server.host"
SECRET = (("docker", "environment"),)
"""The keys whose variables are secret: they may appear nowhere but in the container."""
PATHS = ("models_dir", "state_dir", "templates_dir", env_file.KEY)
PATHS_IN_TABLES = ("source", "examples", "weights", "certificate", "key", "tokens")


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


def load_with_origins(
    path: Path | None = None,
    env: str | None = None,
    overrides: Mapping[str, object] | None = None,
    environ: Mapping[str, str] | None = None,
    *,
    with_overlay: bool = True,
) -> tuple[Spec, Origins]:
    """Load the Spec as `load` does, and return what sets its keys, too. Raises ConfigError.

    Without the overlay, the tables `[env.NAME]` have no effect.
    """
    environ = os.environ if environ is None else environ
    options = {key: _local_path(key, value) for key, value in (overrides or {}).items() if value is not None}
    return _load(_find(path, environ), env, options, environ, with_overlay=with_overlay)


def _load(
    file: Path | None,
    env: str | None,
    options: Mapping[str, object],
    environ: Mapping[str, str],
    *,
    with_overlay: bool = True,
) -> tuple[Spec, Origins]:
    raw = _read(file) if file else {}
    overlays = raw.pop("env", {})
    variables = _variables(environ)
    layers = {key: _local_path(key, value) for key, (_, value) in variables.items()}
    chosen = str(env or layers.pop("env", None) or DEFAULT_ENV)
    directory = file.parent if file else Path()
    overlay = _overlay(overlays, chosen, file) if with_overlay else {}
    document = _interpolate(_merge(raw, overlay), layers, frozenset({*layers, *options}), environ, file)
    origins = Origins(
        str(file or ""),
        _flatten(document),
        {key: name for key, (name, _) in variables.items()},
        {key: _option_of(key) for key in options},
        overlay=f"env.{chosen}" if with_overlay and isinstance(overlays, dict) and chosen in overlays else "",
        in_overlay=frozenset(_flatten(overlay)),
    )
    if file or layers:
        document = _resolve_paths(document, directory)
    document = {"project": default_project(directory), **document}
    _check_projects(document, layers, options, file)
    for key, value in {**layers, **options}.items():
        _set(document, key, value)
    names = {**origins.variables, **dict.fromkeys(options, "options")}
    spec = _build_spec({**document, "env": chosen}, str(file or "options"), names)
    try:
        check_is_chosen(origins)
    except InvalidValue as error:
        raise ConfigError(f"{file}: {error.message}", hint=error.hint) from error
    origin = "--host" if HOST in options else names.get(HOST, f"{file}: {HOST}")
    return _with_ip_address(spec, origin), origins


def _interpolate(
    document: Table,
    layers: Mapping[str, object],
    overridden: frozenset[str],
    environ: Mapping[str, str],
    file: Path | None,
) -> Table:
    """Return the document with its variables replaced by those of the environment and of the file in `env_file`.

    The environment wins. Raises ConfigError, except for variables of keys that something else sets.
    """

    def locate(error: InvalidValue, key_path: tuple[str, ...]) -> ConfigError:
        return ConfigError(f"{_location(key_path, str(file), {})}{error.message}", hint=error.hint)

    own = Interpolation(environ, locate, SECRET, overridden)
    path, origin = layers.get(env_file.KEY), f"{PREFIX}{env_file.KEY.upper()}"
    if path is None and env_file.KEY in document:
        path, origin = own.table({env_file.KEY: document[env_file.KEY]})[env_file.KEY], f"{file}: {env_file.KEY}"
        path = _resolve(file.parent if file else Path(), env_file.KEY, path) if isinstance(path, str) else None
    variables = {} if path is None else env_file.read(Path(str(path)), origin)
    return dataclasses.replace(own, variables={**variables, **environ}).table(document)


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
    table, _, name = key.rpartition(".")
    kind = TABLES[table]
    return option_name(kind, name) if name in {each.name for each in dataclasses.fields(kind)} else f"--{name}"


def check(path: Path | None, environ: Mapping[str, str] | None = None) -> None:
    """Raise ConfigError for an error in a file, if there is one, in any of its overlays, or in a variable."""
    environ = os.environ if environ is None else environ
    variables = {name: text for name, text in environ.items() if name not in (FILE_VARIABLE, f"{PREFIX}ENV")}
    if path is None:
        _load(None, None, {}, variables)
    else:
        for env in environments(path, variables):
            _load(path, env, {}, variables)


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
    overlays = _read(file).get("env", {}) if file else {}
    return tuple(dict.fromkeys((DEFAULT_ENV, *overlays))) if isinstance(overlays, dict) else (DEFAULT_ENV,)


def _check_projects(
    document: Mapping[str, object], layers: Mapping[str, object], options: Mapping[str, object], file: Path | None
) -> None:
    """Raise ConfigError for a malformed project name, even where another one overrides it."""
    for values, origin in ((document, f"{file}: project"), (layers, f"{PREFIX}PROJECT"), (options, "--project")):
        _check_project(values.get("project", FALLBACK_PROJECT), origin)


def _check_project(name: object, origin: str) -> None:
    try:
        check_project(name)
    except InvalidValue as error:
        raise ConfigError(f"{origin}: {error.message}", hint=error.hint) from error


def _find(path: Path | None, environ: Mapping[str, str]) -> Path | None:
    text = path or environ.get(FILE_VARIABLE)
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
        raise ConfigError(f"{file} cannot be read: {error}") from error
    except (ValueError, RecursionError) as error:  # ValueError also for a number with too many digits
        raise ConfigError(f"{file} is not valid TOML: {error}") from error
    return document


def _overlay(overlays: object, env: str, file: Path | None) -> Table:
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


def _env_hint(value: object) -> str:
    name = value if isinstance(value, str) else "NAME"
    return f"--env {name} or {PREFIX}ENV={name} chooses the environment"


def _suggest_environments(env: str, overlays: Mapping[str, object]) -> str:
    # The hint is an option: it overrides the variable that may have set the environment.
    if match := suggestions.closest_match(env, overlays):
        return f"did you mean {match}? --env {match}"
    options = " or ".join(f"--env {name}" for name in dict.fromkeys((DEFAULT_ENV, *sorted(overlays))))
    return f"{options} is known; [env.{env}] in {CONFIG_FILE} adds this one"


def _merge(base: Mapping[str, object], overlay: Mapping[str, object]) -> Table:
    merged = dict(base)
    for key, value in overlay.items():
        under = merged.get(key)
        both_tables = isinstance(value, dict) and isinstance(under, dict)
        merged[key] = _merge(under, value) if both_tables else value  # type: ignore[arg-type]
    return merged


def _resolve_paths(document: Table, directory: Path) -> Table:
    """Return the document with its relative paths resolved from the directory of the file."""
    resolved = _resolve_keys(document, PATHS, directory)
    for key in ("models_dir", "state_dir"):
        if key not in document:
            resolved[key] = str(directory / str(Spec.__dataclass_fields__[key].default))
    models, gateway = document.get("models"), document.get("gateway")
    if isinstance(gateway, dict):
        resolved["gateway"] = _resolve_keys(gateway, ("certificate", "key", "tokens"), directory)
    if isinstance(models, dict):
        resolved["models"] = {name: _resolve_model_paths(model, directory) for name, model in models.items()}
    return resolved


def _resolve_model_paths(model: object, directory: Path) -> object:
    if not isinstance(model, dict):
        return model
    resolved = _resolve_keys(model, ("examples", "weights"), directory)
    if isinstance(model.get("signatures"), list):
        resolved["signatures"] = [_resolve_signature(text, directory) for text in model["signatures"]]
    if _is_in_file(model.get("custom_objects"), directory):
        resolved["custom_objects"] = str(directory / model["custom_objects"])
    source = model.get("source")
    if isinstance(source, str) and ("/" in source or (directory / source.partition(":")[0]).exists()):
        resolved["source"] = _resolve(directory, "source", source)
    return resolved


def _resolve_keys(table: Mapping[str, object], keys: tuple[str, ...], directory: Path) -> Table:
    texts = {key: text for key in keys if isinstance(text := table.get(key), str)}
    return {**table, **{key: _resolve(directory, key, text) for key, text in texts.items()}}


def _resolve(directory: Path, key: str, text: str) -> str:
    return str(directory / str(_local_path(key, text)))


def _local_path(key: str, value: object) -> object:
    """Return the value of a path key without `file://`. Raises ConfigError for a path on another machine."""
    if key not in (*PATHS, *PATHS_IN_TABLES) or not isinstance(value, (str, Path)):
        return value
    try:
        return type(value)(local_path(str(value)))
    except SourceNotFound as error:
        raise ConfigError(f"{key}: {error.message}", hint=error.hint) from error


def _resolve_signature(text: object, directory: Path) -> object:
    """Return `name=file.py:function` with the path of the file resolved."""
    name, _, location = text.partition("=") if isinstance(text, str) else ("", "", "")
    return f"{name}={directory / location}" if _is_in_file(location, directory) else text


def _is_in_file(text: object, directory: Path) -> bool:
    """Return whether the text is `file:name` with a file in the directory."""
    return isinstance(text, str) and "\0" not in text and (directory / text.rpartition(":")[0]).is_file()


def _variables(environ: Mapping[str, str]) -> dict[str, tuple[str, object]]:
    """Return the settings of the variables by key, each with the variable's name and its typed value."""
    found = {}
    for name, text in sorted(environ.items()):
        if name.startswith(PREFIX) and name != FILE_VARIABLE and not name.startswith(TEST_PREFIXES):
            key = _variable_key(name)
            found[key] = (name, _parse_variable(name, key, text))
    return found


def _variable_key(name: str) -> str:
    known = {key.replace(".", "_").upper(): key for key in variable_keys()}
    suffix = name.removeprefix(PREFIX)
    if suffix in known:
        return known[suffix]
    raise ConfigError(f"the variable {name} is not a setting", hint=suggestions.suggest(suffix, known, PREFIX))


def _parse_variable(name: str, key: str, text: str) -> object:
    section, _, field = key.rpartition(".")
    try:
        return documents.from_text(documents.field_types(SECTIONS.get(section, Spec))[field], text)
    except documents.Mismatch as error:
        raise ConfigError(f"{name}: {key}: {error.reason}") from error


def variable_keys() -> tuple[str, ...]:
    """Return the keys that a `DEPLOYER_*` variable can set: those with a single value."""
    tables = ("models", "batching", "monitoring", *SECTIONS)
    keys = [name for name in documents.field_types(Spec) if name not in tables]
    for section, kind in SECTIONS.items():
        types = documents.field_types(kind).items()
        keys += [f"{section}.{name}" for name, hint in types if get_origin(hint) not in (dict, tuple)]
    return tuple(keys)


def _set(document: Table, key: str, value: object) -> None:
    section, _, name = key.rpartition(".")
    if not section:
        document[name] = value
        return
    table = document.get(section, {})
    if isinstance(table, dict):
        document[section] = {**table, name: value}


def _build_spec(document: Table, file: str, origins: Mapping[str, str]) -> Spec:
    """Return the document as a Spec. `origins` name what set a key instead of the file. Raises ConfigError."""
    check_name(str(document["env"]), "environment")
    try:
        return documents.read(Spec, document, strict=True)
    except documents.UnknownKey as error:
        hint = suggestions.suggest_key(error.key_path[-1], error.known)
        raise ConfigError(f"{_location(error.key_path, file, origins)}{error.reason}", hint=hint) from error
    except documents.Mismatch as error:
        size_hint = sizes.size_hint_at(error.key_path, document)
        raise ConfigError(f"{_location(error.key_path, file, origins)}{error.reason}", hint=size_hint) from error
    except InvalidValue as error:
        raise ConfigError(f"{_location(error.key_path, file, origins)}{error.message}", hint=error.hint) from error


def _location(key_path: tuple[str, ...], file: str, origins: Mapping[str, str]) -> str:
    key = ".".join(key_path)
    origin = origins.get(key, file)
    return f"{origin}: {key}: " if key else f"{origin}: "
