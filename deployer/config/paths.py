"""Paths of `deployer.toml`: relative ones start from its directory, and `file://` URIs become paths."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from deployer.config import env_file
from deployer.config.spec import Spec
from deployer.errors import ConfigError, SourceNotFound
from deployer.system.locations import local_path

Table = dict[str, object]

PATHS = ("models_dir", "state_dir", "templates_dir", env_file.KEY)
PATHS_IN_TABLES = ("source", "examples", "weights", "certificate", "key", "tokens")


def resolve_all(document: Table, directory: Path) -> Table:
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


def resolve(directory: Path, key: str, text: str) -> str:
    """Return the path of a key. Raises ConfigError for one on another machine."""
    return str(directory / str(to_local(key, text)))


def to_local(key: str, value: object) -> object:
    """Return the value of a path key without `file://`. Raises ConfigError for a path on another machine."""
    if key not in (*PATHS, *PATHS_IN_TABLES) or not isinstance(value, (str, Path)):
        return value
    try:
        return type(value)(local_path(str(value)))
    except SourceNotFound as error:
        raise ConfigError(f"{key}: {error.message}", hint=error.hint) from error


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
        resolved["source"] = resolve(directory, "source", source)
    return resolved


def _resolve_keys(table: Mapping[str, object], keys: tuple[str, ...], directory: Path) -> Table:
    texts = {key: text for key in keys if isinstance(text := table.get(key), str)}
    return {**table, **{key: resolve(directory, key, text) for key, text in texts.items()}}


def _resolve_signature(text: object, directory: Path) -> object:
    """Return `name=file.py:function` with the path of the file resolved."""
    name, _, location = text.partition("=") if isinstance(text, str) else ("", "", "")
    return f"{name}={directory / location}" if _is_in_file(location, directory) else text


def _is_in_file(text: object, directory: Path) -> bool:
    """Return whether the text is `file:name` with a file in the directory."""
    return isinstance(text, str) and "\0" not in text and (directory / text.rpartition(":")[0]).is_file()
