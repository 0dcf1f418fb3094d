"""Names that TensorFlow would change stand in the signature; outputs of any structure become flat ones."""

from __future__ import annotations

import numpy as np
import pytest

from deployer.errors import ExportFailed

MODELS = """
    import dataclasses
    import keras
    import numpy as np
    import tensorflow as tf

    def functional(first, second, output):
        a, b = keras.Input((2,), name="a"), keras.Input((2,), name="b")
        return keras.Model({first: a, second: b}, {output: keras.ops.subtract(a, b)})

    def odd():
        return functional("my input", "größe[m]", "sum of")

    def collide():
        return functional("a b", "a_b", "_y")

    def letters():
        return functional("A", "a", "self")

    class Dict(keras.Model):
        def call(self, features):
            return {"y (m)": features["_x"] - features["class"]}

    def subclassed():
        model = Dict()
        model({"_x": np.ones((1, 2), "float32"), "class": np.ones((1, 2), "float32")})
        return model

    @dataclasses.dataclass
    class Out:
        logits: object
        hidden: object

    class Returns(keras.Model):
        def __init__(self, make):
            super().__init__()
            self.make = make

        def call(self, x):
            return self.make(x)

    def returning(make):
        model = Returns(make)
        model(np.ones((1, 2), "float32"))
        return model

    def nested():
        return returning(lambda x: {"past": (x, x + 1.0), "logits": x, "attn": None, "more": []})

    def fields():
        return returning(lambda x: Out([x, {"deep": x}], None))

    def twice():
        return returning(lambda x: {"past": (x,), "past_0": x})

    def nothing():
        return returning(lambda x: {"attn": None, "more": ()})

    @tf.function(input_signature=[tf.TensorSpec([None, 2], tf.float32, name="x")])
    def function(x):
        return {"past": [x, (x, None)]}
"""


@pytest.fixture
def source(exporter):
    return lambda name: f"{exporter.file(MODELS)}:{name}"


@pytest.mark.parametrize(
    ("name", "names"),
    [
        ("odd", ("my input", "größe[m]", "sum of")),
        ("collide", ("a b", "a_b", "_y")),
        ("letters", ("A", "a", "self")),
        ("subclassed", ("_x", "class", "y (m)")),
    ],
)
def test_the_owners_names_stand(exporter, source, name, names):
    first, second, output = names
    exported = exporter(source(name))
    inputs, outputs = exported.declared()
    assert inputs == {first: "float32[?,2]", second: "float32[?,2]"}
    assert list(outputs) == [output]
    answer = exported.ask({first: np.full((3, 2), 5, "float32"), second: np.full((3, 2), 2, "float32")})
    assert answer[output].tolist() == [[3.0, 3.0]] * 3
    assert exported.summary.compared == ("serving_default",)
    assert exported.cases()[0].inputs.keys() == {first, second}


def test_such_names_can_be_asked_for_and_wrapped(exporter, source):
    inputs = ("my input:float32[4,2]", "größe[m]:float32[4, 2]")
    assert set(exporter(source("odd"), *inputs).declared()[0].values()) == {"float32[4,2]"}
    assert "examples" in exporter(source("odd"), serve_as=("examples",)).names()


@pytest.mark.parametrize(
    ("name", "outputs", "noted"),
    [
        ("nested", {"past_0", "past_1", "logits"}, ["past", "attn", "more"]),
        ("fields", {"logits_0", "logits_1_deep"}, ["logits", "hidden"]),
        ("function", {"past_0", "past_1_0"}, ["past", "past_1_1"]),
    ],
)
def test_outputs_are_flat_and_what_was_left_out_is_noted(exporter, source, name, outputs, noted):
    exported = exporter(source(name))
    assert set(exported.declared()[1]) == outputs
    about = [note for note in exported.notes if note.startswith("output ")]
    assert [found in note for note, found in zip(about, noted, strict=True)] == [True] * len(noted)
    assert exported.summary.compared == ("serving_default",)


@pytest.mark.parametrize(("name", "told"), [("twice", "past_0"), ("nothing", "no tensor")])
def test_outputs_that_cannot_be_served_are_refused(exporter, source, name, told):
    with pytest.raises(ExportFailed, match=told):
        exporter(source(name))
