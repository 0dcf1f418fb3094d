"""The source model itself is asked: what the saved model answers otherwise is refused, all else says so."""

from __future__ import annotations

import pytest

from deployer.errors import SourceDiffers

WRONG = """
    import keras
    import numpy as np
    import tensorflow as tf

    calls = 0

    def dense():
        return keras.Sequential([keras.Input((None, 2)), keras.layers.TimeDistributed(keras.layers.Dense(1))])

    def conv():
        inputs = keras.Input((None, 8, 2))
        layer = keras.layers.TimeDistributed(keras.layers.Conv1D(3, 2))
        return keras.Model(inputs, keras.layers.GlobalAveragePooling2D()(layer(inputs)))

    class Branching(tf.Module):
        @tf.function(input_signature=[tf.TensorSpec([None, None], tf.float32, name="x")])
        def __call__(self, x):
            if x.shape[1] is None:
                return {"y": x, "n": tf.shape(x)}
            return {"y": x * 2.0, "n": tf.shape(x)}

    branching = Branching()

    @tf.function(input_signature=[tf.TensorSpec([None, 2], tf.float32, name="x")])
    def counter(x):
        global calls
        calls += 1
        return x * calls

    class Layer(keras.layers.Layer):
        def call(self, x):
            return x + np.random.rand()

    def drawn_once():
        return keras.Sequential([keras.Input((3,)), Layer()])

    class Fixed(tf.Module):
        @tf.function(input_signature=[tf.TensorSpec([None, None], tf.float32, name="x")])
        def __call__(self, x):
            return tf.reshape(x, [-1, x.shape[1] or 6])

    fixed = Fixed()

    def later(model):
        @tf.function(input_signature=[tf.TensorSpec([None, None], tf.string, name="texts")])
        def signature(texts):
            return tf.fill([texts.shape[1] or 1], 1.0)
        return signature
"""


@pytest.mark.parametrize(
    ("name", "shows"),
    [
        ("dense", "shape [1, 1, 1], not [1, 4, 1]"),
        ("conv", "output 'output_0'"),
        ("branching", "output 'y'"),
        ("counter", "output 'output_0'"),
        ("drawn_once", "output 'output_0'"),
        ("fixed", "refuses what the source model answers"),
    ],
)
def test_what_tracing_changed_is_refused(exporter, name, shows):
    with pytest.raises(SourceDiffers) as caught:
        exporter(f"{exporter.file(WRONG)}:{name}")
    assert shows in caught.value.message
    assert caught.value.hint


def test_a_file_is_asked_as_its_model_is_and_a_fixed_length_is_the_way_out(exporter):
    import keras

    layers = [keras.Input((None, 2), name="x"), keras.layers.TimeDistributed(keras.layers.Dense(1))]
    keras.Sequential(layers).save(exporter.root / "m.keras")
    with pytest.raises(SourceDiffers, match="x: float32") as caught:
        exporter(f"{exporter.root}/m.keras")
    assert "--input 'x:float32[?,4,2]'" in str(caught.value.hint)
    exported = exporter(f"{exporter.root}/m.keras", "x:float32[?,4,2]")
    assert exported.summary.fidelity == "verified against the source model"


def test_a_signature_of_ones_own_is_asked_too(exporter):
    source = exporter.file(WRONG.replace("keras.Input((None, 2))", "keras.Input((4, 2))"))
    with pytest.raises(SourceDiffers, match="signature texts"):
        exporter(f"{source}:dense", signatures=("texts=later",))


RIGHT = """
    import keras
    import tensorflow as tf

    def lstm():
        return keras.Sequential([keras.Input((None, 2)), keras.layers.LSTM(3), keras.layers.Dense(1)])

    def pair():
        a, b = keras.Input((None, 2), name="a"), keras.Input((None, 2), name="b")
        return keras.Model({"a": a, "b": b}, keras.layers.Dot(axes=2)([a, b]))

    def image():
        return keras.Sequential([keras.Input((8, 8, 3)), keras.layers.Flatten(), keras.layers.Dense(2)])

    def half():
        layers = [keras.Input((64,)), keras.layers.Dense(64, dtype="mixed_float16"), keras.layers.Dense(8)]
        return keras.Sequential(layers)

    def noise():
        class Noisy(keras.layers.Layer):
            def call(self, x):
                return x + keras.random.normal((1,))
        return keras.Sequential([keras.Input((3,)), Noisy()])

    class Gradient(tf.Module):
        @tf.function(input_signature=[tf.TensorSpec([None, 2], tf.float32, name="x")])
        def __call__(self, x):
            return tf.gradients(x * x, x)[0]

    gradient = Gradient()

    class Counting(tf.Module):
        def __init__(self):
            self.asked = tf.Variable(0)

        @tf.function(input_signature=[tf.TensorSpec([None], tf.float32, name="x")])
        def __call__(self, x):
            return {"y": x * 2.0, "asked": self.asked.assign_add(1)}

    counting = Counting()

    def session():
        v1 = tf.compat.v1
        with tf.Graph().as_default() as graph:
            x = v1.placeholder(tf.float32, [None, 2], name="x")
            product = tf.matmul(x, v1.get_variable("w", [2, 1]))
            session = v1.Session(graph=graph)
            session.run(v1.global_variables_initializer())
        return session, {"x": x}, {"y": product}

    x, n = tf.TensorSpec([None, 2], tf.float32, name="x"), tf.TensorSpec([], tf.int32, name="n")

    @tf.function(input_signature=[x, n])
    def unused(x, n):
        return x * 2.0
"""


@pytest.mark.parametrize("name", ["lstm", "pair", "half", "gradient", "session", "unused"])
def test_what_answers_the_same_is_verified_against_its_source(exporter, name):
    exported = exporter(f"{exporter.file(RIGHT)}:{name}")
    assert exported.summary.fidelity == "verified against the source model"
    assert exported.summary.is_whole


@pytest.mark.parametrize(("name", "random"), [("noise", "output_0"), ("counting", "asked")])
def test_what_changes_by_itself_is_said_to_be_compared_by_shape(exporter, name, random):
    summary = exporter(f"{exporter.file(RIGHT)}:{name}").summary
    assert summary.compared == ("serving_default",)
    assert f"serving_default/{random} shapes and dtypes only" in summary.fidelity
    assert not summary.is_whole


def test_what_wraps_the_model_is_asked_through_the_same_call(exporter):
    source = exporter.file(RIGHT)
    summary = exporter(f"{source}:image", serve_as=("jpeg", "examples")).summary
    assert sorted(summary.compared) == ["examples", "jpeg", "serving_default"]
    assert summary.is_whole


def test_examples_of_the_user_are_asked_of_the_source(exporter):
    (exporter.root / "x.json").write_text('{"instances": [[[1.0, 2.0]], [[3.0, 4.0]]]}')
    summary = exporter(f"{exporter.file(RIGHT)}:lstm", examples=exporter.root / "x.json").summary
    assert (summary.compared, summary.is_whole) == (("serving_default",), True)


def test_a_signature_under_another_name_is_compared_under_both(exporter):
    source = exporter.file("""
        import tensorflow as tf

        class Two(tf.Module):
            @tf.function(input_signature=[tf.TensorSpec([None], tf.float32, name="x")])
            def one(self, x):
                return x + 1.0

            @tf.function(input_signature=[tf.TensorSpec([None], tf.float32, name="x")])
            def two(self, x):
                return x + 2.0

        model = Two()
    """)
    summary = exporter(f"{source}:model", default_signature="two").summary
    assert sorted(summary.compared) == ["one", "serving_default", "two"]
    assert summary.is_whole


def test_a_saved_model_is_its_own_source(exporter):
    directory = exporter(f"{exporter.file(RIGHT)}:lstm").directory
    summary = exporter(str(directory)).summary
    assert (summary.itself, summary.is_whole) == (True, True)
    assert "the source itself" in summary.fidelity
