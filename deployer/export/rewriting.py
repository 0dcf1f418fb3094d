"""Changes to a SavedModel that was written or taken over: only those that were asked for, each in its own words."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Collection, Mapping
from pathlib import Path
from typing import Any

from deployer.errors import ExportFailed
from deployer.export.runtime import tf_module
from deployer.savedmodel import reader
from deployer.savedmodel.layout import PB_FILE, PBTXT_FILE

DEFAULT_SIGNATURE = "serving_default"
PREDICT = "tensorflow/serving/predict"
METHODS = frozenset({PREDICT, "tensorflow/serving/classify", "tensorflow/serving/regress"})
"""Those that TensorFlow Serving answers; it refuses a signature with any other, or none."""
FINGERPRINT = "fingerprint.pb"


def write_binary(folder: Path) -> None:
    """`saved_model.pb` in the place of `saved_model.pbtxt`; the message stays as it is."""
    message = reader.parse(folder)
    (folder / PB_FILE).write_bytes(message.SerializeToString(deterministic=True))
    (folder / PBTXT_FILE).unlink()


def serve_tagged(folder: Path, tags: Collection[str]) -> None:
    """Leave only the MetaGraph with these tags, tagged `serve`: what a server loads without a flag."""
    message = reader.parse(folder)
    graph = reader.meta_graph(message, tags, folder)
    del graph.meta_info_def.tags[:]
    graph.meta_info_def.tags.extend(reader.SERVE)
    message_kept = type(message)(saved_model_schema_version=message.saved_model_schema_version, meta_graphs=[graph])
    _replace(folder, message_kept)


def set_default(folder: Path, name: str) -> None:
    """Have the signature `name` served as `serving_default` too. Raises ExportFailed with the names that there are."""
    message = reader.parse(folder)
    signatures = reader.meta_graph(message, reader.SERVE, folder).signature_def
    if name not in signatures or name == reader.INIT_SIGNATURE:
        available = sorted(set(signatures) - {reader.INIT_SIGNATURE})
        listed = ", ".join(available) or "none"
        raise ExportFailed(
            f"the model has no signature {name!r} to serve as {DEFAULT_SIGNATURE}; it has {listed}",
            hint=f"--default-signature {available[0]}" if available else None,
        )
    signatures[DEFAULT_SIGNATURE].CopyFrom(signatures[name])
    if signatures[DEFAULT_SIGNATURE].method_name not in METHODS:
        signatures[DEFAULT_SIGNATURE].method_name = PREDICT
    _replace(folder, message)


def rename_inputs(folder: Path, names: Mapping[str, Mapping[str, str]]) -> None:
    """Give the inputs of signatures their owner's names: by signature, the name in the file by the name to be there.

    A SignatureDef may have any key; TensorFlow's functions change what is no identifier.
    """
    changed = {signature: {old: new for new, old in pairs.items() if new != old} for signature, pairs in names.items()}
    if not any(changed.values()):
        return
    message = reader.parse(folder)
    signatures = reader.meta_graph(message, reader.SERVE, folder).signature_def
    for signature, pairs in changed.items():
        for old, new in pairs.items():
            if signature in signatures and old in signatures[signature].inputs:
                signatures[signature].inputs[new].CopyFrom(signatures[signature].inputs.pop(old))
    _replace(folder, message)


def _replace(folder: Path, message: Any) -> None:
    """Write beside and rename: the file may be a hard link to the owner's own."""
    descriptor, temporary = tempfile.mkstemp(prefix=".saved_model.", dir=folder)
    with os.fdopen(descriptor, "wb") as file:
        file.write(message.SerializeToString(deterministic=True))
    Path(temporary).replace(folder / PB_FILE)
    (folder / FINGERPRINT).unlink(missing_ok=True)
    tf_module("tensorflow.python.saved_model.fingerprinting_utils").write_fingerprint(str(folder))
