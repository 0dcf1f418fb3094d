"""`inspect`: what a version or a SavedModel folder declares, without TensorFlow."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from deployer import saved_model
from deployer.model import GoldenSummary, Model, Signature, Source, TensorSpec
from deployer.operations.targets import STORED, name_for, stored
from deployer.operations.workspace import Settings, open_workspace
from deployer.report import InspectResult
from deployer.tensors import REST_CANNOT_CARRY


def inspect(target: str, *, settings: Settings | None = None) -> InspectResult:
    """`target` is a folder or NAME[:VERSION]. Raises BrokenModel, NoSuchModel, SourceNotFound."""
    store = open_workspace(settings or Settings()).store
    known = stored(target, store) if STORED.fullmatch(target) else None
    model = store.get(known.name, known.version) if known else _folder(Path(target))
    lines = (_curl(model.name, signature) for signature in model.info.signatures)
    return InspectResult(model, tuple(line for line in lines if line))


def _folder(path: Path) -> Model:
    info = saved_model.read(path)
    version = int(path.resolve().name) if path.resolve().name.isdigit() else 0
    name = name_for(str(path))
    return Model(name, version, path, "", info, Source("folder", str(path), None), GoldenSummary(0, "none"), "")


def _curl(model: str, signature: Signature) -> str | None:
    """A request that the signature's shapes and dtypes allow; None where REST cannot carry a dtype."""
    if any(spec.dtype in REST_CANNOT_CARRY or spec.dtype == "composite" for spec in signature.inputs):
        return None
    body = {"signature_name": signature.name, "inputs": {spec.name: _sample(spec) for spec in signature.inputs}}
    return f"curl -d '{json.dumps(body)}' http://127.0.0.1:8501/v1/models/{model}:predict"


def _sample(spec: TensorSpec) -> Any:
    value: Any = {"string": "text", "bool": True}.get(spec.dtype, 0.5 if spec.dtype.startswith("float") else 1)
    for size in reversed(spec.shape or ()):
        value = [value] * (1 if size is None else size)
    return value
