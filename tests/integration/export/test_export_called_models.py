"""Keras models whose inputs are known by a call, whose weights are in a file, or whose code is bytecode."""

from __future__ import annotations

import base64
import json
import shutil
import zipfile
from pathlib import Path

import pytest

from deployer.errors import ExportFailed

CALLED = """
    import keras
    import numpy as np

    class Words(keras.Model):
        def __init__(self):
            super().__init__()
            self.embedding, self.dense = keras.layers.Embedding(50, 4), keras.layers.Dense(2)

        def call(self, ids, weights=None):
            found = self.embedding(ids)
            if weights is not None:
                found = found * weights[..., None]
            return self.dense(keras.ops.mean(found, axis=1))

    class Features(keras.Model):
        def __init__(self):
            super().__init__()
            self.dense = keras.layers.Dense(2)

        def call(self, x):
            return self.dense(x)

    def called(model, *calls):
        for shapes in calls:
            model(*[np.zeros(shape, dtype) for shape, dtype in shapes])
        return model

    def once():
        return called(Words(), [((1, 5), "int32")])

    def twice():
        return called(Words(), [((1, 5), "int32")], [((2, 9), "int32")])

    def of_two():
        return called(Words(), [((1, 5), "int32"), ((1, 5), "float32")])

    def features():
        return called(Features(), [((1, 5), "float32")])

    def optional():
        a, b = keras.Input((2,), name="a"), keras.Input((2,), name="b", optional=True)
        return keras.Model([a, b], keras.layers.Dense(2)(a))
"""


@pytest.mark.parametrize(
    ("name", "shapes", "noted"),
    [
        ("once", {"ids": (None, 5)}, ["'ids:int32[?,?]'"]),
        ("twice", {"ids": (None, None)}, []),
        ("of_two", {"ids": (None, 5), "weights": (None, 5)}, ["'ids:int32[?,?]'", "'weights:float32[?,?]'"]),
        ("features", {"x": (None, 5)}, []),
        ("optional", {"a": (None, 2), "b": (None, 2)}, ["'b' is optional"]),
    ],
)
def test_what_is_fixed_by_a_call_is_noted(exporter, name, shapes, noted):
    file = exporter.file(CALLED)
    made = exporter(f"{file}:{name}")
    assert {spec.name: spec.shape for spec in made.signature().inputs} == shapes
    assert len(made.notes) == len(noted)
    assert all(text in note for text, note in zip(noted, made.notes, strict=True))


def test_the_option_that_is_noted_opens_it(exporter):
    file = exporter.file(CALLED)
    made = exporter(f"{file}:once", "ids:int32[?,?]")
    assert made.signature().inputs[0].shape == (None, None)
    assert not made.notes


def test_an_input_builds_a_model_for_its_weights(exporter, tmp_path):
    import keras

    built = keras.Sequential([keras.Input((5,)), keras.layers.Dense(2)])
    built.save_weights(tmp_path / "w.weights.h5")
    file = exporter.file(CALLED)
    exporter(f"{file}:Features", "x:float32[?,5]", weights=tmp_path / "w.weights.h5")
    with pytest.raises(ExportFailed, match="not built"):
        exporter(f"{file}:Features", weights=tmp_path / "w.weights.h5")


@pytest.fixture(scope="module")
def bytecode(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A file with a Lambda layer whose bytecode is damaged as that of another Python looks to this one."""
    import keras

    directory = tmp_path_factory.mktemp("bytecode")
    model = keras.Sequential(
        [keras.Input((3,)), keras.layers.Lambda(lambda x: x * 2, name="twice"), keras.layers.Dense(1)]
    )
    model.save(directory / "good.keras")
    with zipfile.ZipFile(directory / "good.keras") as good, zipfile.ZipFile(directory / "other.keras", "w") as other:
        for name in good.namelist():
            data = good.read(name)
            other.writestr(name, json.dumps(_with_code(json.loads(data))) if name == "config.json" else data)
    return directory / "other.keras"


def _with_code(value: object) -> object:
    if isinstance(value, dict):
        code = base64.b64encode(b"\x7f\x00\x01").decode()
        return {key: code if key == "code" else _with_code(each) for key, each in value.items()}
    return [_with_code(each) for each in value] if isinstance(value, list) else value


LAYERS = """
    import keras

    def layers():
        return keras.Sequential(
            [keras.Input((3,)), keras.layers.Lambda(lambda x: x * 2, name="twice"), keras.layers.Dense(1)]
        )
"""


def test_bytecode_of_another_python_is_named_with_a_way_that_works(exporter, bytecode, tmp_path):
    with pytest.raises(ExportFailed, match="twice") as refused:
        exporter(str(bytecode), trust=True)
    assert "--weights" in str(refused.value.hint)
    file = exporter.file(LAYERS)
    shutil.copy(bytecode, tmp_path / "other.keras")
    exporter(f"{file}:layers", weights=tmp_path / "other.keras")
