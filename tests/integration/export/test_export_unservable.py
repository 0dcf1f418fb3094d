"""Models that TensorFlow saves and no server can run."""

from __future__ import annotations

import keras
import pytest
from support.exporting import Exporter
from support.source_kinds import LAYER

from deployer.errors import ExportFailed, SourceNotFound

PYTHON = """
import tensorflow as tf

def inner(x):
    return tf.py_function(lambda value: value + 1, [x], tf.float32)

@tf.function(input_signature=[tf.TensorSpec([None], tf.float32, name="x")])
def direct(x):
    return inner(x)

@tf.function(input_signature=[tf.TensorSpec([None], tf.float32, name="x")])
def in_a_branch(x):
    return tf.cond(tf.reduce_sum(x) > 0.0, lambda: tf.numpy_function(lambda value: value, [x], tf.float32), lambda: x)

def session():
    with tf.Graph().as_default():
        x = tf.compat.v1.placeholder(tf.float32, [None], "x")
        inner(x)
        return tf.compat.v1.Session(), {"x": x}, {"y": x * 2.0}
"""


@pytest.mark.parametrize("name", ["direct", "in_a_branch"])
def test_a_call_back_into_python_is_refused(exporter: Exporter, name: str) -> None:
    with pytest.raises(ExportFailed, match="the signature serving_default calls back into Python") as caught:
        exporter(f"{exporter.file(PYTHON)}:{name}")
    assert "TensorFlow ops" in (caught.value.hint or "")


def test_what_a_graph_holds_besides_does_not_matter(exporter: Exporter) -> None:
    assert exporter(f"{exporter.file(PYTHON)}:session").summary.cases >= 3


def test_an_unknown_layer_is_named_with_the_flag_for_it(exporter: Exporter) -> None:
    place = exporter.file(LAYER, "layers.py")
    scope: dict[str, object] = {"__name__": "users_layers"}
    exec(LAYER, scope)
    keras.Sequential([keras.Input((2,)), scope["Waves"]()]).save(exporter.root / "m.keras")
    with pytest.raises(ExportFailed, match="uses 'Waves'") as caught:
        exporter(f"{exporter.root}/m.keras")
    assert "--custom-objects file.py:Waves" in (caught.value.hint or "")
    for name in ("Waves", "LAYERS"):
        assert exporter(f"{exporter.root}/m.keras", custom_objects=f"{place}:{name}").names() == ["serving_default"]
    with pytest.raises(ExportFailed, match="neither a dict of classes"):
        exporter(f"{exporter.root}/m.keras", custom_objects=f"{place}:__name__")


def test_weights_that_do_not_fit_are_reported(exporter: Exporter) -> None:
    place = exporter.file("""
        import keras
        def build(): return keras.Sequential([keras.Input((3,)), keras.layers.Dense(2)])
        def unbuilt(): return keras.Sequential([keras.layers.Dense(2)])
    """)
    weights = exporter.root / "w.weights.h5"
    keras.Sequential([keras.Input((5,)), keras.layers.Dense(2)]).save_weights(weights)
    with pytest.raises(ExportFailed, match="does not fit the model"):
        exporter(f"{place}:build", weights=weights)
    with pytest.raises(ExportFailed, match="is not built"):
        exporter(f"{place}:unbuilt", weights=weights)
    with pytest.raises(SourceNotFound, match="there is no file"):
        exporter(f"{place}:build", weights=exporter.root / "other.weights.h5")


UNTRACKED = """
import tensorflow as tf

def words():
    return tf.lookup.StaticHashTable(tf.lookup.KeyValueTensorInitializer(["a"], [1]), -1)

class Looks(tf.Module):
    @tf.function(input_signature=[tf.TensorSpec([None], tf.string, name="x")])
    def __call__(self, x):
        table = words()
        return {"y": table.lookup(x)}

class Counts(tf.Module):
    @tf.function(input_signature=[tf.TensorSpec([None], tf.float32, name="x")])
    def __call__(self, x):
        return {"y": x * tf.Variable(2.0)}

handle = tf.raw_ops.VarHandleOp(dtype=tf.float32, shape=[], shared_name="scale")
tf.raw_ops.AssignVariableOp(resource=handle, value=tf.constant(2.0))
rows = iter(tf.data.Dataset.range(5))
looks = Looks()
counts = Counts()

@tf.function(input_signature=[tf.TensorSpec([None], tf.float32, name="x")])
def scaled(x):
    return {"y": x * tf.raw_ops.ReadVariableOp(resource=handle, dtype=tf.float32)}

@tf.function(input_signature=[tf.TensorSpec([None], tf.int64, name="x")])
def added(x):
    return {"y": x + next(rows)}
"""


@pytest.mark.parametrize(
    ("name", "what", "line", "hint"),
    [
        (
            "looks",
            "a lookup table that no object keeps",
            "return tf.lookup.StaticHashTable(",
            "self.table = tf.lookup.StaticHashTable",
        ),
        ("scaled", r"a variable \('scale'\) that no object", "ReadVariableOp", "self.weight = tf.Variable"),
        ("added", "an iterator over a dataset that no object keeps", "next(rows)", "as an input"),
        ("counts", "__call__ could not be traced", "", "self.weight = tf.Variable"),
    ],
)
def test_what_no_object_keeps_is_named_with_its_line(exporter: Exporter, name, what, line, hint) -> None:
    with pytest.raises(ExportFailed, match=what) as caught:
        exporter(f"{exporter.file(UNTRACKED)}:{name}")
    assert line in caught.value.message.partition("\n")[2]
    assert hint in (caught.value.hint or "")
