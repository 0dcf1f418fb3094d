"""Reads `deployer.toml` into a Spec: base, then `[env.NAME]`, then `DEPLOYER_*` variables, then options.

Raises ConfigError with file, key and reason; an unknown key is answered with the nearest known one.
"""

from __future__ import annotations

import dataclasses
import os
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any, cast

from deployer.config import hosts, sizes, suggestions
from deployer.config.project import FALLBACK_PROJECT, check_project, default_project
from deployer.config.spec import Docker, Gate, Gateway, Server, Spec
from deployer.errors import ConfigError, InvalidValue, SourceNotFound
from deployer.results.deployment import DEFAULT_ENV
from deployer.results.model import check_name
from deployer.system import documents
from deployer.system.locations import local_path

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

CONFIG_FILE = Path("deployer.toml")
PREFIX = "DEPLOYER_"
FILE_VARIABLE = "DEPLOYER_CONFIG"
TEST_PREFIXES = ("DEPLOYER_TEST_", "DEPLOYER_TESTBED_")
SECTIONS: dict[str, Any] = {"server": Server, "gate": Gate, "docker": Docker, "gateway": Gateway}
HOST = "server.host"
PATHS = ("models_dir", "state_dir", "templates_dir")
PATHS_IN_TABLES = ("source", "examples", "weights", "certificate", "key", "tokens")


def load(
    path: Path | None = None,
    env: str | None = None,
    overrides: Mapping[str, Any] | None = None,
    environ: Mapping[str, str] | None = None,
) -> Spec:
    """The Spec that file, overlay, variables and options give together. A missing default file is an empty one.

    `overrides` are options, by key or `section.key`; None values count as not given. Raises ConfigError.
    """
    environ = os.environ if environ is None else environ
    options = {key: _local_path(key, value) for key, value in (overrides or {}).items() if value is not None}
    return _load(_find(path, environ), env, options, environ)


def _load(file: Path | None, env: str | None, options: Mapping[str, Any], environ: Mapping[str, str]) -> Spec:
    raw = _read(file) if file else {}
    overlays = raw.pop("env", {})
    variables = _variables(environ)
    layers = {key: _local_path(key, value) for key, (_, value) in variables.items()}
    chosen = env or layers.pop("env", None) or DEFAULT_ENV
    home = file.parent if file else Path()
    document = _merge(raw, _overlay(overlays, chosen, file))
    if file or layers:
        document = _resolve_paths(document, home)
    document = {"project": default_project(home), **document}
    _check_projects(document, layers, options, file)
    for key, value in {**layers, **options}.items():
        _set(document, key, value)
    origins = {**{key: name for key, (name, _) in variables.items()}, **dict.fromkeys(options, "options")}
    spec = _build_spec({**document, "env": chosen}, str(file or "options"), origins)
    where = "--host" if HOST in options else origins.get(HOST, f"{file}: {HOST}")
    return _with_ip_address(spec, where)


def check(path: Path | None, environ: Mapping[str, str] | None = None) -> None:
    """Raises ConfigError for what is wrong in a document, if there is one, in its overlays, and in the variables."""
    environ = os.environ if environ is None else environ
    variables = {name: text for name, text in environ.items() if name not in (FILE_VARIABLE, f"{PREFIX}ENV")}
    if path is None:
        _load(None, None, {}, variables)
    else:
        for env in environments(path, variables):
            _load(path, env, {}, variables)


def _with_ip_address(spec: Spec, where: str) -> Spec:
    """The spec with the IP address that its host means. Raises ConfigError that names `where` the host was set."""
    if spec.server.host is None:
        return spec
    try:
        found = hosts.resolve_host(spec.server.host)
    except InvalidValue as error:
        raise ConfigError(f"{where}: {error.message}", hint=error.hint) from error
    return dataclasses.replace(spec, server=dataclasses.replace(spec.server, host=found))


def environments(path: Path | None = None, environ: Mapping[str, str] | None = None) -> tuple[str, ...]:
    """`local`, and those that the document has an overlay for. Raises ConfigError."""
    file = _find(path, os.environ if environ is None else environ)
    overlays = _read(file).get("env", {}) if file else {}
    return tuple(dict.fromkeys((DEFAULT_ENV, *overlays))) if isinstance(overlays, dict) else (DEFAULT_ENV,)


def _check_projects(
    document: Mapping[str, Any], layers: Mapping[str, Any], options: Mapping[str, Any], file: Path | None
) -> None:
    """Refuse the name of a project wherever it stands, even where another one wins. Raises ConfigError."""
    places = ((document, f"{file}: project"), (layers, f"{PREFIX}PROJECT"), (options, "--project"))
    for found, place in places:
        _check_project(found.get("project", FALLBACK_PROJECT), place)


def _check_project(name: object, place: str) -> None:
    try:
        check_project(name)
    except InvalidValue as error:
        raise ConfigError(f"{place}: {error.message}", hint=error.hint) from error


def _find(path: Path | None, environ: Mapping[str, str]) -> Path | None:
    text = path or environ.get(FILE_VARIABLE)
    named = Path(text) if text else None
    if named is None:
        return CONFIG_FILE if CONFIG_FILE.is_file() else None
    if not named.is_file():
        raise ConfigError(f"there is no configuration file {named}", hint="deployer init writes one")
    return named


def _read(file: Path) -> dict[str, Any]:
    try:
        return cast("dict[str, Any]", tomllib.loads(file.read_text(encoding="utf-8")))
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(f"{file} cannot be read: {error}") from error
    except (ValueError, RecursionError) as error:  # of TOML, and of Python for a number or a nesting without end
        raise ConfigError(f"{file} is not valid TOML: {error}") from error


def _overlay(overlays: Any, env: str, file: Path | None) -> dict[str, Any]:
    if not isinstance(overlays, dict) or not all(isinstance(table, dict) for table in overlays.values()):
        raise ConfigError(f"{file}: env: should hold tables, such as [env.staging]")
    if env in overlays:
        return cast("dict[str, Any]", overlays[env])
    if env == DEFAULT_ENV or not overlays:
        return {}
    there = ", ".join(sorted(overlays))
    raise ConfigError(f"{file} has no [env.{env}]; it has: {there}", hint=_suggest_environments(env, overlays))


def _suggest_environments(env: str, overlays: Mapping[str, Any]) -> str:
    """What to add to the command instead: an option wins over the variable."""
    if near := suggestions.closest_match(env, overlays):
        return f"did you mean {near}? --env {near}"
    options = " or ".join(f"--env {name}" for name in dict.fromkeys((DEFAULT_ENV, *sorted(overlays))))
    return f"{options} takes one that there is; [env.{env}] in {CONFIG_FILE} adds this one"


def _merge(base: dict[str, Any], over: Mapping[str, Any]) -> dict[str, Any]:
    merged = dict(base)
    for key, value in over.items():
        both_tables = isinstance(value, dict) and isinstance(merged.get(key), dict)
        merged[key] = _merge(merged[key], value) if both_tables else value
    return merged


def _resolve_paths(document: dict[str, Any], home: Path) -> dict[str, Any]:
    """Paths in the file are meant from the file's own folder."""
    paths = {key: _path(home, key, document[key]) for key in PATHS if isinstance(document.get(key), str)}
    defaults = {key: str(home / _default(key)) for key in ("models_dir", "state_dir") if key not in document}
    models, gateway = document.get("models"), document.get("gateway")
    anchored = {**document, **paths, **defaults}
    if isinstance(gateway, dict):
        anchored["gateway"] = _resolve_keys(gateway, ("certificate", "key", "tokens"), home)
    if isinstance(models, dict):
        anchored["models"] = {name: _resolve_model_paths(model, home) for name, model in models.items()}
    return anchored


def _default(key: str) -> Any:
    return next(spec_field.default for spec_field in dataclasses.fields(Spec) if spec_field.name == key)


def _resolve_model_paths(model: Any, home: Path) -> Any:
    if not isinstance(model, dict):
        return model
    anchored = _resolve_keys(model, ("examples", "weights"), home)
    if isinstance(model.get("signatures"), list):
        anchored["signatures"] = [_resolve_signature(text, home) for text in model["signatures"]]
    if _is_in_file(model.get("custom_objects"), home):
        anchored["custom_objects"] = str(home / model["custom_objects"])
    source = model.get("source")
    if isinstance(source, str) and ("/" in source or (home / source.partition(":")[0]).exists()):
        anchored["source"] = _path(home, "source", source)
    return anchored


def _resolve_keys(table: Mapping[str, Any], keys: tuple[str, ...], home: Path) -> dict[str, Any]:
    return {**table, **{key: _path(home, key, table[key]) for key in keys if isinstance(table.get(key), str)}}


def _path(home: Path, key: str, text: str) -> str:
    return str(home / _local_path(key, text))


def _local_path(key: str, value: Any) -> Any:
    """A path without `file://`; other values as they are. Raises ConfigError for what is on another machine."""
    if key not in (*PATHS, *PATHS_IN_TABLES) or not isinstance(value, (str, Path)):
        return value
    try:
        return type(value)(local_path(str(value)))
    except SourceNotFound as error:
        raise ConfigError(f"{key}: {error.message}", hint=error.hint) from error


def _resolve_signature(text: Any, home: Path) -> Any:
    """`name=place:function`, with a place that is a file below the document's folder found from anywhere."""
    name, _, place = text.partition("=") if isinstance(text, str) else ("", "", "")
    return f"{name}={home / place}" if _is_in_file(place, home) else text


def _is_in_file(place: Any, home: Path) -> bool:
    """Whether the text is `file:name` with a file below the document's folder."""
    return isinstance(place, str) and "\0" not in place and (home / place.rpartition(":")[0]).is_file()


def _variables(environ: Mapping[str, str]) -> dict[str, tuple[str, Any]]:
    """The settings that variables give, each with the variable's name and the value of the setting's type."""
    found = {}
    for name, text in sorted(environ.items()):
        if name.startswith(PREFIX) and name != FILE_VARIABLE and not name.startswith(TEST_PREFIXES):
            key = _variable_key(name)
            found[key] = (name, _parse_variable(name, key, text))
    return found


def _variable_key(name: str) -> str:
    known = {key.replace(".", "_").upper(): key for key in variable_keys()}
    wanted = name.removeprefix(PREFIX)
    if wanted in known:
        return known[wanted]
    raise ConfigError(f"the variable {name} is not a setting", hint=suggestions.suggest(wanted, known, PREFIX))


def _parse_variable(name: str, key: str, text: str) -> Any:
    section, _, field = key.rpartition(".")
    try:
        return documents.from_text(documents.field_types(SECTIONS.get(section, Spec))[field], text)
    except documents.Mismatch as error:
        raise ConfigError(f"{name}: {key}: {error.reason}") from error


def variable_keys() -> tuple[str, ...]:
    """The keys that a `DEPLOYER_*` variable can set: those with a single value."""
    keys = [
        found.name
        for found in dataclasses.fields(Spec)
        if found.name not in ("models", "batching", "monitoring", *SECTIONS)
    ]
    for section, kind in SECTIONS.items():
        keys += [
            f"{section}.{found.name}"
            for found in dataclasses.fields(kind)
            if found.name not in ("flags", "environment")
        ]
    return tuple(keys)


def _set(document: dict[str, Any], key: str, value: Any) -> None:
    section, _, name = key.rpartition(".")
    if not section:
        document[name] = value
        return
    table = document.get(section, {})
    if isinstance(table, dict):
        document[section] = {**table, name: value}


def _build_spec(document: dict[str, Any], file: str, origins: Mapping[str, str]) -> Spec:
    """The document as values; `origins` say which settings come from elsewhere than the file. Raises ConfigError."""
    check_name(document["env"], "environment")
    try:
        return documents.read(Spec, document, strict=True)
    except documents.UnknownKey as error:
        raise ConfigError(
            f"{_location(error.place, file, origins)}{error.reason}",
            hint=suggestions.suggest_key(error.place[-1], error.known),
        ) from error
    except documents.Mismatch as error:
        hint = sizes.size_hint_at(error.place, document)
        raise ConfigError(f"{_location(error.place, file, origins)}{error.reason}", hint=hint) from error
    except InvalidValue as error:
        raise ConfigError(f"{_location(error.place, file, origins)}{error.message}", hint=error.hint) from error


def _location(place: tuple[str, ...], file: str, origins: Mapping[str, str]) -> str:
    key = ".".join(place)
    origin = origins.get(key, file)
    return f"{origin}: {key}: " if key else f"{origin}: "
