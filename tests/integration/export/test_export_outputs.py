"""What golden answers show of a model that its signature does not say: scalars, bytes, randomness, rows."""

from __future__ import annotations

import pytest

from deployer.errors import GoldenError
from deployer.results.model import Model, Source
from deployer.savedmodel import reader
from deployer.verification import batchable, parity

MODELS = """
    import tensorflow as tf

    def served(*specs):
        return lambda function: tf.function(function, input_signature=specs)

    rows = tf.TensorSpec([None, 2], tf.float32, name="x")

    @served(rows)
    def blob(x):
        return {"blob": tf.map_fn(tf.io.serialize_tensor, x, fn_output_signature=tf.string), "y": x * 2.0}

    @served(rows)
    def named(x):
        return {"blob_bytes": tf.map_fn(tf.io.serialize_tensor, x, fn_output_signature=tf.string)}

    @served(tf.TensorSpec([None], tf.string, name="image_bytes"), rows)
    def mixed(image_bytes, x):
        jpeg = tf.io.encode_jpeg(tf.zeros([2, 2, 3], tf.uint8))
        return {"text": image_bytes, "jpeg": tf.repeat(jpeg, tf.shape(x)[0])}

    @served(tf.TensorSpec(None, tf.float32, name="x"))
    def squeezed(x):
        return {"mean": tf.squeeze(tf.reduce_mean(tf.reshape(x, [-1]))), "y": x}

    @served(rows)
    def masked(x):
        return {"y": x, "kept": tf.boolean_mask(x, x[:, 0] > 0)}

    @served(tf.TensorSpec(None, tf.float32, name="x"))
    def scalar(x):
        return tf.ensure_shape(x, []) * 2.0

    @served(rows, tf.TensorSpec(None, tf.float32, name="rate"), tf.TensorSpec(None, tf.string, name="mode"))
    def rated(x, rate, mode):
        return tf.where(tf.ensure_shape(mode, []) == "fast", x * tf.ensure_shape(rate, []), x)

    def session():
        v1 = tf.compat.v1
        with tf.Graph().as_default() as graph:
            x, rate = v1.placeholder(tf.float32, [None, 2], name="x"), v1.placeholder(tf.float32, name="rate")
            y = x * tf.ensure_shape(rate, [])
        return v1.Session(graph=graph), {"x": x, "rate": rate}, {"y": y}

    @served(tf.TensorSpec([None, None], tf.float32, name="x"), tf.TensorSpec([None, None], tf.float32, name="y"))
    def tied(x, y):
        return tf.raw_ops.AddV2(x=x, y=tf.ensure_shape(y, x.shape)) + tf.zeros([tf.shape(x)[1]]) * tf.zeros_like(y)
"""


def exported_as(exporter, name, **options):
    exported = exporter(f"{exporter.file(MODELS)}:{name}", **options)
    info = reader.read(exported.directory)
    model = Model("m", 1, exported.directory, "d", info, Source("python", "m", None), exported.summary, "now")
    return exported, model


@pytest.mark.parametrize(("name", "output"), [("blob", "blob"), ("mixed", "jpeg"), ("named", None)])
def test_bytes_in_an_output_that_rest_sends_as_text_are_noted(exporter, name, output):
    exported, model = exported_as(exporter, name)
    cannot = {parity.rest_cannot_carry(model, case) for case in exported.cases()}
    assert cannot == {f"what output {output} holds" if output else None}
    assert [f"{output}_bytes" in note for note in exported.summary.notes] == ([True] if output else [])


@pytest.mark.parametrize(
    ("name", "says"),
    [
        ("squeezed", "output 'mean'"),
        ("masked", "output 'kept'"),
        ("scalar", "output 'output_0'"),
        ("rated", "input 'mode'"),
        ("session", "input 'rate'"),
        ("blob", None),
    ],
)
def test_what_cannot_be_batched_shows_in_the_answers(exporter, name, says):
    exported, model = exported_as(exporter, name)
    problem = batchable.problem(model.info.signatures, exported.cases())
    assert problem is None if says is None else says in str(problem)
    assert exported.summary.compared == ("serving_default",)


def test_lengths_that_must_be_equal_are_noted(exporter):
    exported, _ = exported_as(exporter, "tied")
    assert {case.inputs["x"].shape[1] for case in exported.cases()} == {4, 7}
    assert len(exported.summary.notes) == 1


def test_examples_may_hold_a_scalar(exporter):
    path = exporter.root / "x.json"
    path.write_text('{"inputs": {"x": 3.0}}')
    exported, _ = exported_as(exporter, "scalar", examples=path)
    assert [case.outputs["output_0"].tolist() for case in exported.cases()] == [6.0]
    path.write_text('{"inputs": {"x": [3.0]}}')
    with pytest.raises(GoldenError):
        exported_as(exporter, "scalar", examples=path)
