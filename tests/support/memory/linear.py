"""Linear models, y = slope * x + offset: SavedModels of a few hundred bytes, made and computed without TensorFlow."""

from __future__ import annotations

import json
import struct
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np

from deployer.results.model import GoldenSummary, Model, Source
from deployer.savedmodel.layout import GOLDEN_FILE, PB_FILE
from deployer.savedmodel.messages import message_class
from deployer.store.store import Store
from deployer.verification import golden
from deployer.verification.golden import GoldenCase

SIGNATURE = "serving_default"
PREDICT = "tensorflow/serving/predict"
FILE = Path("assets") / "linear.json"
FLOAT = 1
"""DT_FLOAT."""


@dataclass(frozen=True)
class Linear:
    """What a version computes, and the names of its input and output."""

    slope: float = 0.5
    offset: float = 2.0
    input: str = "x"
    output: str = "y"

    def __call__(self, x: np.ndarray) -> np.ndarray:
        return (np.float32(self.slope) * x + np.float32(self.offset)).astype(np.float32)


HALF_PLUS_TWO = {"1": Linear(0.5, 2.0), "2": Linear(0.5, 3.0), "3": Linear(1.0, 0.0)}
"""The versions of the model half_plus_two in tests/contract/server/data/models."""


def read(version: Path) -> Linear:
    """What a version computes. Raises OSError where there is no version."""
    if (version / FILE).is_file():
        return Linear(**json.loads((version / FILE).read_text()))
    if version.parent.name == "half_plus_two" and version.is_dir():
        return HALF_PLUS_TWO[version.name]
    raise FileNotFoundError(f"no linear model in {version}")


def publish(
    store: Store,
    name: str,
    linear: Linear,
    version: int | None = None,
    *,
    golden_set: bool = True,
    source: str | Source = "linear.py:model",
) -> Model:
    """A version of the store, with or without golden answers."""
    with store.stage(name) as stage:
        write(stage.directory, linear)
        summary = GoldenSummary(0, "none", skipped=("serving_default: no examples were given",))
        if golden_set:
            _write_golden(stage.directory, linear)
            summary = GoldenSummary(2, "made", compared=(SIGNATURE,))
        origin = source if isinstance(source, Source) else Source("function", source, None)
        return store.publish(stage, origin, summary, version)


def write(directory: Path, linear: Linear) -> None:
    """The SavedModel alone."""
    content = message_class("tensorflow.SavedModel")(saved_model_schema_version=1)
    graph = content.meta_graphs.add()
    graph.meta_info_def.tags.append("serve")
    graph.meta_info_def.tensorflow_version = "2.15.0"
    signature = graph.signature_def[SIGNATURE]
    signature.method_name = PREDICT
    for specs, name in ((signature.inputs, linear.input), (signature.outputs, linear.output)):
        specs[name].name, specs[name].dtype = f"{name}:0", FLOAT
        specs[name].tensor_shape.dim.add(size=-1)
    directory.mkdir(parents=True, exist_ok=True)
    (directory / PB_FILE).write_bytes(content.SerializeToString())
    (directory / FILE).parent.mkdir(exist_ok=True)
    (directory / FILE).write_text(json.dumps(asdict(linear)))


def _write_golden(directory: Path, linear: Linear) -> None:
    rows = (np.float32([1.0]), np.float32([0.0, -3.0, 8.0]))
    cases = [GoldenCase(SIGNATURE, {linear.input: x}, {linear.output: linear(x)}) for x in rows]
    path = directory / GOLDEN_FILE
    path.parent.mkdir(exist_ok=True)
    records = map(golden.to_record, cases)
    path.write_bytes(b"".join(struct.pack("<QI", len(data), 0) + data + bytes(4) for data in records))
