"""Keras models in a user's file: names, open batch, numbers as in TensorFlow, for both Kerases."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from typing import Any

import numpy as np
import pytest
from support.exporting import Exported, Exporter

from deployer.errors import ExportFailed

MODELS = """
import {keras} as K
import numpy as np
import tensorflow as tf

K.utils.set_random_seed(7)


class Scale(K.layers.Layer):
    def build(self, shape):
        self.scale = self.add_weight(shape=(shape[-1],), initializer="uniform", name="scale")

    def call(self, x):
        return x * self.scale


class Table(K.layers.Layer):
    def __init__(self, **options):
        super().__init__(**options)
        keys = tf.lookup.KeyValueTensorInitializer(["red", "green"], [10, 20], value_dtype=tf.int64)
        self.tables = [tf.lookup.StaticHashTable(keys, -1)]

    def call(self, words):
        return self.tables[0].lookup(words)


class TwoArguments(K.Model):
    def __init__(self):
        super().__init__()
        self.dense = K.layers.Dense(3)

    def call(self, left, right, training=True):
        return {{"sum": self.dense(left) + (0.0 if training else 1.0) * self.dense(right)}}


class OneStructure(K.Model):
    def __init__(self):
        super().__init__()
        self.dense = K.layers.Dense(2)

    def call(self, features):
        values = list(features.values()) if isinstance(features, dict) else list(features)
        return self.dense(values[0]) - self.dense(values[1])


class Embedded(K.Model):
    def __init__(self):
        super().__init__()
        self.embedding = K.layers.Embedding(5, 2)

    def call(self, ids):
        return self.embedding(ids)


def called(model, *args):
    model(*args)
    return model


def stack(*layers, shape=(4,), name="feat", **options):
    return K.Sequential([K.Input(shape, name=name, **options), *layers])


def named(): return stack(Scale(), K.layers.Dense(3), K.layers.Dense(2, name="probs"))
def unnamed(): return stack(K.layers.Dense(3), K.layers.Dense(2), name=None)
def built_by_a_call(): return called(K.Sequential([K.layers.Dense(2)]), np.ones((5, 4), "float32"))
def custom_tables(): return stack(Table(name="code"), shape=(), name="colour", dtype="string")
def looked_up():
    return stack(K.layers.StringLookup(vocabulary=["a", "b"], name="id"), shape=(1,), name="word", dtype="string")
def half(): return stack(K.layers.Dense(2, dtype="mixed_bfloat16", name="half"))
def random_on_purpose():
    x = K.Input((4,), name="x")
    return K.Model(x, [K.layers.Dropout(0.5, name="noisy")(x, training=True), K.layers.Dense(2, name="calm")(x)])
def augmented():
    layers = [K.layers.RandomFlip(), stack(K.layers.RandomRotation(0.3), shape=(4, 4, 1)), K.layers.Flatten(name="y")]
    return stack(*layers, shape=(4, 4, 1), name="image")
def normalized():
    model = stack(K.layers.BatchNormalization(), K.layers.Dropout(0.5), K.layers.Dense(2, name="y"))
    model.compile("adam", "mse")
    model.fit(np.random.rand(16, 4), np.random.rand(16, 2), verbose=0)
    return model
def lists():
    a, b = K.Input((4,), name="a"), K.Input((2,))
    return K.Model([a, b], [K.layers.Dense(3, name="out")(a), K.layers.Dense(3)(b), K.layers.Dense(1)(a)])
def dicts():
    a, b = K.Input((4,), name="left"), K.Input((2,), name="right-side")
    return K.Model({{"left": a, "right-side": b}}, {{"y": K.layers.Dense(3)(a), "z": K.layers.Dense(1)(b)}})
def mixed_types():
    n, flag = K.Input((), name="n", dtype="int64"), K.Input((), name="flag", dtype="bool")
    return K.Model({{"n": n, "flag": flag}}, {{"n2": Twice()(n), "not": Not()(flag)}})
class Twice(K.layers.Layer):
    def call(self, x): return x * 2
class Not(K.layers.Layer):
    def call(self, x): return tf.logical_not(x)
def nested():
    return stack(stack(K.layers.Dense(3)), K.layers.Dense(1, name="score"))
def recurrent(): return stack(K.layers.LSTM(3, name="state"), shape=(None, 2), name="sequence")
def stateful():
    x = K.Input(batch_shape=(2, 3, 1), name="x")
    return K.Model(x, K.layers.LSTM(2, stateful=True, name="y")(x))
def two_arguments(): return called(TwoArguments(), np.ones((1, 4), "float32"), np.ones((1, 4), "float32"))
def never_called(): return TwoArguments()
def structure_of_dict():
    return called(OneStructure(), {{"u": np.ones((1, 4), "float32"), "v": np.ones((1, 4), "float32")}})
def structure_of_list(): return called(OneStructure(), [np.ones((1, 4), "float32"), np.ones((1, 4), "float32")])
def structure_never_called(): return OneStructure()
def integers(): return called(Embedded(), np.array([[1, 2, 3]], "int64"))
def ragged():
    class Words(K.Model):
        def call(self, text): return tf.strings.split(text)
    return called(Words(), tf.constant(["a b"]))
"""

EXPECTED: dict[str, tuple[dict[str, str], dict[str, str]]] = {
    "named": ({"feat": "float32[?,4]"}, {"probs": "float32[?,2]"}),
    "unnamed": ({"inputs": "float32[?,4]"}, {"output_0": "float32[?,2]"}),
    "built_by_a_call": ({"inputs": "float32[?,4]"}, {"output_0": "float32[?,2]"}),
    "custom_tables": ({"colour": "string[?]"}, {"code": "int64[?]"}),
    "looked_up": ({"word": "string[?,1]"}, {"id": "int64[?,1]"}),
    "augmented": ({"image": "float32[?,4,4,1]"}, {"y": "float32[?,16]"}),
    "normalized": ({"feat": "float32[?,4]"}, {"y": "float32[?,2]"}),
    "lists": (
        {"a": "float32[?,4]", "inputs_1": "float32[?,2]"},
        {"out": "float32[?,3]", "output_1": "float32[?,3]", "output_2": "float32[?,1]"},
    ),
    "dicts": (
        {"left": "float32[?,4]", "right-side": "float32[?,2]"},
        {"y": "float32[?,3]", "z": "float32[?,1]"},
    ),
    "mixed_types": ({"flag": "bool[?]", "n": "int64[?]"}, {"n2": "int64[?]", "not": "bool[?]"}),
    "nested": ({"feat": "float32[?,4]"}, {"score": "float32[?,1]"}),
    "recurrent": ({"sequence": "float32[?,?,2]"}, {"state": "float32[?,3]"}),
    "two_arguments": ({"left": "float32[?,4]", "right": "float32[?,4]"}, {"sum": "float32[?,3]"}),
    "structure_of_dict": ({"u": "float32[?,4]", "v": "float32[?,4]"}, {"output_0": "float32[?,2]"}),
    "structure_of_list": (
        {"features_0": "float32[?,4]", "features_1": "float32[?,4]"},
        {"output_0": "float32[?,2]"},
    ),
    "integers": ({"ids": "int64[?,3]"}, {"output_0": "float32[?,3,2]"}),
}
FAMILIES = ("keras", "tf_keras")


Once = Callable[[str, str], Exported]


def source(exporter: Exporter, family: str, name: str) -> str:
    return f"{exporter.file(MODELS.format(keras=family), f'models_{family}.py')}:{name}"


@pytest.fixture(scope="module")
def once(tmp_path_factory: pytest.TempPathFactory) -> Once:
    """Exports each model once, for all tests that only look at it."""
    exporter = Exporter(tmp_path_factory.mktemp("models"))
    return cache(lambda family, name: exporter(source(exporter, family, name)))


@pytest.mark.parametrize("family", FAMILIES)
@pytest.mark.parametrize("name", EXPECTED)
def test_names_stay_and_the_batch_is_open(once: Once, family: str, name: str) -> None:
    exported = once(family, name)
    assert exported.declared() == EXPECTED[name]
    assert exported.names() == ["serving_default"]
    assert {len(next(iter(case.inputs.values()))) for case in exported.cases()} == {1, 3}
    assert (exported.summary.random_outputs, exported.summary.skipped) == ((), ())


@pytest.mark.parametrize("family", FAMILIES)
def test_names_do_not_depend_on_what_the_process_built_before(exporter: Exporter, once: Once, family: str) -> None:
    again = exporter(source(exporter, family, "lists"), prove=False)
    assert again.declared() == once(family, "lists").declared()


def users_model(family: str, name: str) -> Any:
    """The very same model that the exporter gets: its file seeds all random numbers."""
    scope: dict[str, Any] = {"__name__": "users_model"}
    exec(MODELS.format(keras=family), scope)
    return scope[name]()


@pytest.mark.parametrize("family", FAMILIES)
@pytest.mark.parametrize(
    ("name", "output"),
    [("named", "probs"), ("augmented", "y"), ("normalized", "y"), ("nested", "score"), ("recurrent", "state")],
)
def test_numbers_are_those_of_the_model(once: Once, family: str, name: str, output: str) -> None:
    exported = once(family, name)
    model = users_model(family, name)
    for case in exported.cases():
        (given,) = case.inputs.values()
        want = np.asarray(model(given, training=False))
        np.testing.assert_allclose(case.outputs[output], want, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("family", FAMILIES)
def test_a_subclassed_model_is_asked_in_inference_mode(once: Once, family: str) -> None:
    exported = once(family, "two_arguments")
    zero, one = np.zeros((2, 4), np.float32), np.ones((2, 4), np.float32)
    assert np.abs(exported.ask({"left": zero, "right": one})["sum"]).max() > 0


@pytest.mark.parametrize("family", FAMILIES)
def test_half_precision_comes_out_as_float32(once: Once, family: str) -> None:
    assert once(family, "half").declared()[1] == {"half": "float32[?,2]"}


@pytest.mark.parametrize("family", FAMILIES)
def test_an_output_that_is_random_on_purpose_is_found(once: Once, family: str) -> None:
    exported = once(family, "random_on_purpose")
    assert exported.summary.random_outputs == ("serving_default/noisy",)


@pytest.mark.parametrize("family", FAMILIES)
def test_a_stateful_model_keeps_its_batch(once: Once, family: str) -> None:
    exported = once(family, "stateful")
    assert exported.declared()[0] == {"x": "float32[2,3,1]"}
    assert exported.summary.random_outputs == ("serving_default/y",)


@pytest.mark.parametrize("family", FAMILIES)
def test_optimizer_state_is_not_saved(once: Once, family: str) -> None:
    import tensorflow as tf

    exported = once(family, "normalized")
    shapes = dict(tf.train.list_variables(str(exported.directory / "variables" / "variables"))).values()
    assert sorted(tuple(shape) for shape in shapes if shape) == [(2,), *[(4,)] * 4, (4, 2)]


@pytest.mark.parametrize("family", FAMILIES)
@pytest.mark.parametrize(
    ("name", "inputs"),
    [
        ("never_called", ("left:float32[?,4]", "right:float32[?,4]")),
        ("never_called", ("a:float32[?,4]", "b:float32[?,4]")),
        ("structure_never_called", ("p:float32[?,2]", "q:float32[?,2]")),
        ("named", ("renamed:float32[2,4]",)),
        ("lists", ("x:float32[?,4]", "y:float32[?,2]")),
        ("dicts", ("right-side:float32[?,2]", "left:float32[?,4]")),
        ("integers", ("ids:int32[?,?]",)),
    ],
)
def test_input_says_names_dtypes_and_shapes(
    exporter: Exporter, family: str, name: str, inputs: tuple[str, ...]
) -> None:
    exported = exporter(source(exporter, family, name), *inputs)
    assert exported.declared()[0] == dict(text.split(":") for text in inputs)
    assert exported.summary.cases >= 2


@pytest.mark.parametrize("family", FAMILIES)
@pytest.mark.parametrize(
    ("name", "inputs", "told"),
    [
        ("never_called", (), "was never called"),
        ("named", ("x:float32[?,5]",), "could not be traced"),
        ("named", ("x:float32[?,4]", "y:float32[?,4]"), "takes 1 input"),
        ("lists", ("x:float32[?,4]",), r"takes 2 input"),
        ("dicts", ("x:float32[?,4]", "y:float32[?,2]"), r"takes \['left', 'right-side'\]"),
        ("ragged", (), "RaggedTensor"),
    ],
)
def test_what_cannot_be_served_is_reported_with_a_way_out(
    exporter: Exporter, family: str, name: str, inputs: tuple[str, ...], told: str
) -> None:
    with pytest.raises(ExportFailed, match=told) as caught:
        exporter(source(exporter, family, name), *inputs)
    if name == "never_called":
        assert "--input name:dtype[shape]" in str(caught.value.hint)
