"""Signatures of the user's own beside the model's, and wrappers: what cannot be is told."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest
import tensorflow as tf
from support.exporting import Exporter
from support.source_kinds import example

from deployer.errors import ExportFailed, ModelError, SourceNotFound

OWN = """
import tensorflow as tf
number = 3

class Plain(tf.Module):
    scale = tf.constant(3.0)

plain = Plain()

def named(model):
    return tf.function(lambda x: {"y": x * model.scale}, input_signature=[tf.TensorSpec([None], tf.float32, name="x")])

def scaled(model):
    @tf.function(input_signature=[tf.TensorSpec([None, 2], tf.float64, name="wide")])
    def scaled(wide):
        return {"y": model(tf.cast(wide, tf.float32)) * 10.0}
    return scaled

def returns_nothing(model): pass
def fails(model): raise ValueError("no such layer")

@tf.function
def untold(x): return x
"""


@pytest.fixture
def own(exporter: Exporter) -> str:
    return exporter.file(OWN, "own.py")


@pytest.fixture(scope="module")
def keras_file(tmp_path_factory: pytest.TempPathFactory) -> tuple[str, Any]:
    path = tmp_path_factory.mktemp("own") / "m.keras"
    model = keras.Sequential([keras.Input((2,), name="feat"), keras.layers.Dense(1, name="score")])
    model.save(path)
    return str(path), model


def test_a_function_takes_the_model_of_a_keras_file(exporter: Exporter, own: str, keras_file: Any) -> None:
    path, model = keras_file
    exported = exporter(path, signatures=(f"scaled={own}:scaled",), serve_as=("examples",))
    assert exported.names() == ["examples", "scaled", "serving_default"]
    assert exported.declared("scaled") == ({"wide": "float64[?,2]"}, {"y": "float32[?,1]"})
    x = np.float32([[1, 2], [3, 4]])
    wanted = model(x).numpy()
    np.testing.assert_allclose(exported.ask({"wide": x.astype(np.float64)}, "scaled")["y"], wanted * 10, rtol=1e-5)
    assert {case.signature for case in exported.cases()} >= {"scaled", "serving_default"}


def test_a_signature_may_be_the_only_one_or_replace_the_default(exporter: Exporter, own: str) -> None:
    alone = exporter(f"{own}:plain", signatures=("serving_default=named",))
    assert alone.names() == ["serving_default"]
    assert alone.ask({"x": np.float32([2.0])})["y"].tolist() == [6.0]


def test_examples_are_read_with_every_dtype_that_can_be(exporter: Exporter) -> None:
    place = exporter.file("""
        import tensorflow as tf
        @tf.function(input_signature=[
            tf.TensorSpec([None, 2], tf.float64, "image"), tf.TensorSpec([None], tf.int32, "count"),
            tf.TensorSpec([None], tf.string, "word"), tf.TensorSpec([None, 1], tf.bool, "flag"),
        ])
        def echo(image, count, word, flag):
            return {"image": image * 2.0, "count": count, "word": word, "flag": flag}
    """)
    exported = exporter(f"{place}:echo", serve_as=("examples",))
    message = tf.train.Example.FromString(example([0.5, 1.5]))
    message.features.feature["count"].int64_list.value.append(7)
    message.features.feature["word"].bytes_list.value.append(b"red")
    message.features.feature["flag"].int64_list.value.append(1)
    found = exported.ask({"examples": np.array([message.SerializeToString()], object)}, "examples")
    told = {name: array.tolist() for name, array in found.items()}
    assert told == {"image": [[1.0, 3.0]], "count": [7], "word": [b"red"], "flag": [[True]]}


@pytest.mark.parametrize(
    ("text", "error", "told"),
    [
        ("a=OWN:number", ExportFailed, "number is no function that says what it takes: int"),
        ("a=OWN:untold", ExportFailed, "untold is no function that says what it takes"),
        ("a=OWN:returns_nothing", ExportFailed, "returns_nothing is no function that says what it takes: NoneType"),
        ("a=OWN:fails", ExportFailed, r"no such layer\n.*own.py, line"),
        ("a=OWN:scald", SourceNotFound, "has no 'scald'"),
        ("a=missing.py:f", ModelError, "missing.py"),
        ("a=", ExportFailed, "does not say where its function is"),
        ("a=scaled", ExportFailed, "does not say where its function is"),
    ],
)
def test_a_signature_that_cannot_be_made_is_reported(
    exporter: Exporter, own: str, keras_file: Any, *, text: str, error: type[ModelError], told: str
) -> None:
    with pytest.raises(error, match=told):
        exporter(keras_file[0], signatures=(text.replace("OWN", own),))


@pytest.mark.parametrize(
    ("inputs", "form", "told"),
    [
        ((), "jpeg", "needs one input"),
        ((), "csv", "'csv' is not known"),
        (("feat:float32[3,2]",), "examples", "its first dimension must be open"),
    ],
)
def test_a_wrapper_that_cannot_be_made_is_reported(
    exporter: Exporter, keras_file: Any, inputs: tuple[str, ...], form: str, told: str
) -> None:
    with pytest.raises(ExportFailed, match=told) as caught:
        exporter(keras_file[0], *inputs, serve_as=(form,))
    assert caught.value.hint


def test_a_saved_model_takes_no_functions(exporter: Exporter, own: str, tmp_path: Path) -> None:
    tf.saved_model.save(tf.Module(), str(tmp_path / "saved"))
    for options in ({"signatures": ("a=b:c",)}, {"serve_as": ("jpeg",)}):
        with pytest.raises(ExportFailed, match="cannot change") as caught:
            exporter(str(tmp_path / "saved"), **options)
        assert caught.value.hint
