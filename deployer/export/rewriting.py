"""Rewrite a stored SavedModel: only changes that the user asked for."""

from __future__ import annotations

import dataclasses
import os
import tempfile
from collections.abc import Collection, Mapping
from pathlib import Path

from google.protobuf.message import Message

from deployer.errors import ExportFailed
from deployer.export.runtime import tf_module
from deployer.results.model import Signature
from deployer.savedmodel import reader
from deployer.savedmodel.layout import PB_FILE, PBTXT_FILE

DEFAULT_SIGNATURE = "serving_default"
PREDICT = "tensorflow/serving/predict"
METHODS = frozenset({PREDICT, "tensorflow/serving/classify", "tensorflow/serving/regress"})
"""The methods that TensorFlow Serving supports; it rejects signatures with any other or no method."""
FINGERPRINT = "fingerprint.pb"


def write_binary(directory: Path) -> None:
    """Replace `saved_model.pbtxt` by `saved_model.pb`; the message stays the same."""
    message = reader.parse(directory)
    (directory / PB_FILE).write_bytes(message.SerializeToString(deterministic=True))
    (directory / PBTXT_FILE).unlink()


def serve_tagged(directory: Path, tags: Collection[str]) -> None:
    """Keep only the MetaGraph with these tags and tag it `serve`, which a server loads without a flag."""
    message = reader.parse(directory)
    graph = reader.meta_graph(message, tags, directory)
    del graph.meta_info_def.tags[:]
    graph.meta_info_def.tags.extend(reader.SERVE)
    message_kept = type(message)(saved_model_schema_version=message.saved_model_schema_version, meta_graphs=[graph])
    _replace(directory, message_kept)


def set_default(directory: Path, name: str) -> None:
    """Serve the signature `name` also as `serving_default`. Raises ExportFailed with the existing names."""
    message = reader.parse(directory)
    signatures = reader.meta_graph(message, reader.SERVE, directory).signature_def
    _check_known(name, set(signatures) - {reader.INIT_SIGNATURE})
    signatures[DEFAULT_SIGNATURE].CopyFrom(signatures[name])
    if signatures[DEFAULT_SIGNATURE].method_name not in METHODS:
        signatures[DEFAULT_SIGNATURE].method_name = PREDICT
    _replace(directory, message)


def with_default(signatures: tuple[Signature, ...], name: str) -> tuple[Signature, ...]:
    """Return the signatures that a SavedModel has after `set_default`. Raises ExportFailed, as that does."""
    by_name = {signature.name: signature for signature in signatures}
    _check_known(name, by_name)
    method = by_name[name].method if by_name[name].method in METHODS else PREDICT
    default = dataclasses.replace(by_name[name], name=DEFAULT_SIGNATURE, method=method)
    return tuple(each for _, each in sorted({**by_name, DEFAULT_SIGNATURE: default}.items()))


def _check_known(name: str, available: Collection[str]) -> None:
    if name not in available:
        known = sorted(available)
        raise ExportFailed(
            f"the model has no signature {name!r} to serve as {DEFAULT_SIGNATURE}; it has {', '.join(known) or 'none'}",
            hint=f"--default-signature {known[0]}" if known else None,
        )


def rename_inputs(directory: Path, names: Mapping[str, Mapping[str, str]]) -> None:
    """Rename signature inputs: `names` maps, for each signature, the user's name to the name in the file.

    A SignatureDef accepts any key; TensorFlow's functions change names that are no identifiers.
    """
    changed = {signature: {old: new for new, old in pairs.items() if new != old} for signature, pairs in names.items()}
    if not any(changed.values()):
        return
    message = reader.parse(directory)
    signatures = reader.meta_graph(message, reader.SERVE, directory).signature_def
    for signature, pairs in changed.items():
        for old, new in pairs.items():
            if signature in signatures and old in signatures[signature].inputs:
                signatures[signature].inputs[new].CopyFrom(signatures[signature].inputs.pop(old))
    _replace(directory, message)


def _replace(directory: Path, message: Message) -> None:
    """Replace the file by renaming: it may be a hard link to the user's file."""
    descriptor, temporary = tempfile.mkstemp(prefix=".saved_model.", dir=directory)
    with os.fdopen(descriptor, "wb") as file:
        file.write(message.SerializeToString(deterministic=True))
    Path(temporary).replace(directory / PB_FILE)
    (directory / FINGERPRINT).unlink(missing_ok=True)
    tf_module("tensorflow.python.saved_model.fingerprinting_utils").write_fingerprint(str(directory))
