"""Read a Keras file's configuration before loading it: the version that wrote it, and whether it contains code."""

from __future__ import annotations

import json
import zipfile
import zlib
from collections.abc import Collection, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from deployer.errors import BrokenModel, ExportFailed, UntrustedCode

MAX_JSON_BYTES = 1 << 28
PARTS = ("config.json", "metadata.json", "model.weights.h5")
KERAS_MODULES = frozenset({"keras", "tf_keras", "tensorflow", "keras_hub", "keras_nlp", "keras_cv"})
UNREADABLE = (OSError, EOFError, ValueError, KeyError, RuntimeError, zipfile.BadZipFile, zlib.error)
MARSHALLED_CLASSES = frozenset({"Lambda", "__lambda__"})


@dataclass(frozen=True)
class FileConfig:
    """The version of the Keras that wrote the file, and the model's configuration."""

    keras_version: str
    model: Any


def read_config(path: Path) -> FileConfig:
    """Return the configuration of a Keras file. Raises BrokenModel if it is truncated or something else."""
    try:
        config = _from_zip(path) if zipfile.is_zipfile(path) else _from_hdf5(path)
    except UNREADABLE as error:
        raise _broken(path, str(error)) from error
    if not isinstance(config.model, dict):
        raise _broken(path, "its configuration is no JSON object")
    return config


def _broken(path: Path, why: str) -> BrokenModel:
    return BrokenModel(
        f"{path} is cut short, damaged or no Keras file: {why.strip():.200}", hint="copy it again, or save it again"
    )


def _from_zip(path: Path) -> FileConfig:
    with zipfile.ZipFile(path) as archive:
        missing = [part for part in PARTS if part not in archive.namelist()]
        if missing:
            raise _broken(path, f"it has no {missing[0]}")
        metadata, model = (json.loads(_limited(archive, name)) for name in ("metadata.json", "config.json"))
    return FileConfig(str(metadata.get("keras_version", "3")) if isinstance(metadata, dict) else "3", model)


def _limited(archive: zipfile.ZipFile, name: str) -> bytes:
    if archive.getinfo(name).file_size > MAX_JSON_BYTES:
        raise ValueError(f"{name} is too large")
    with archive.open(name) as file:
        return file.read(MAX_JSON_BYTES)


def _from_hdf5(path: Path) -> FileConfig:
    import h5py

    with h5py.File(path, "r") as file:
        attributes = dict(file.attrs)
    if "model_config" not in attributes:
        raise ExportFailed(
            f"{path} holds weights and no model",
            hint="build the model and load the weights in a file of your own: file.py:name",
        )
    return FileConfig(_text(attributes.get("keras_version", "2")), json.loads(_text(attributes["model_config"])))


def _text(value: object) -> str:
    return value.decode() if isinstance(value, bytes) else str(value)


def check_trusted(path: Path, config: FileConfig, known: Collection[str] = ()) -> None:
    """Raise UntrustedCode for marshalled code, ExportFailed for a class that is neither in the file nor `known`.

    `known` are class names or registered names. This runs before Keras loads anything, because resolving a class
    imports the module that the file names.
    """
    for node, layer in _nodes(config.model, None):
        if node.get("class_name") in MARSHALLED_CLASSES:
            raise UntrustedCode(
                f"{path} carries Python code in the layer {layer!r} (a Lambda): loading the file would run it",
                hint="if you trust whoever made it: --trust; else use a custom layer, which is code that you can read",
            )
        if not {node.get("class_name"), node.get("registered_name")} & {*known} and (foreign := _foreign_module(node)):
            raise ExportFailed(
                f"{path} uses {node['class_name']!r} of the module {foreign!r}, which the file does not carry",
                hint=f"--custom-objects file.py:{node['class_name']}, or load it in a file of your own: file.py:name",
            )


def marshalled_layers(config: FileConfig) -> list[str]:
    """Return the names of the layers whose code is in the file as bytecode."""
    found = (layer for node, layer in _nodes(config.model, None) if node.get("class_name") in MARSHALLED_CLASSES)
    return sorted({layer for layer in found if layer})


def _nodes(value: object, layer: str | None) -> Iterator[tuple[dict[str, Any], str | None]]:
    """Yield every JSON object with the name of the innermost enclosing layer."""
    stack = [(value, layer)]
    while stack:
        value, layer = stack.pop()
        if isinstance(value, dict):
            layer = _layer_name(value) or layer
            yield value, layer
        children = value.values() if isinstance(value, dict) else value if isinstance(value, list) else ()
        stack.extend((child, layer) for child in children)


def _layer_name(node: dict[str, Any]) -> str | None:
    config = node.get("config")
    name = config.get("name") if isinstance(config, dict) else None
    return name if "class_name" in node and isinstance(name, str) else None


def _foreign_module(node: dict[str, Any]) -> str | None:
    """Return the module of a serialized class or function if it is neither Keras's nor TensorFlow's."""
    module = node.get("module")
    if "class_name" not in node or not isinstance(module, str):
        return None
    root = module.partition(".")[0]
    trusted_module = root in KERAS_MODULES or (module == "builtins" and node["class_name"] == "function")
    return None if trusted_module else module
