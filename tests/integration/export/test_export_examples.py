"""Signatures over tf.Example, images, ragged and sparse tensors: golden answers, or the reason why not."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import tensorflow as tf
from support.cli import ANY_PORTS, in_process
from support.exporting import Exporter
from support.world import MODELS

from deployer.client import tf_examples
from deployer.errors import GoldenError

EXAMPLES = MODELS / "examples" / "1"


def values(serialized: bytes) -> dict[str, list]:
    return tf_examples.features(tf_examples.parse(serialized))


def test_every_method_has_golden_answers_made_from_what_the_graph_parses(exporter: Exporter) -> None:
    exported = exporter(str(EXAMPLES))
    assert exported.summary.skipped == ()
    methods = {case.signature: case.method for case in exported.cases()}
    assert methods == {
        "classify": "classify", "regress": "regress", "serving_default": "regress", "predict": "predict",
    }  # fmt: skip
    for case in exported.cases():
        if case.method == "regress":
            held = [values(one) for one in case.inputs["inputs"]]
            want = [example["x"][0] * 0.5 + example["bias"][0] for example in held]
            np.testing.assert_allclose(case.outputs["outputs"], want, rtol=1e-5)


def test_all_of_it_is_served_and_verified_over_both_apis_and_a_wrong_answer_is_found(empty_project: Path) -> None:
    up = in_process("up", str(EXAMPLES), "--name", "examples", *ANY_PORTS, "--json", "-q", cwd=empty_project)
    assert up.code == 0, up.err
    checks = {check["name"]: check for check in up.json["report"]["checks"]}
    assert checks["parity REST"]["detail"].startswith("8 golden answers")
    assert checks["parity gRPC"]["detail"].startswith("8 golden answers")
    golden = empty_project / "models" / "examples" / "1" / "assets.extra" / "golden.tfrecord"
    golden.chmod(0o644)
    golden.write_bytes(golden.read_bytes().replace(b"low", b"lol"))
    smoke = in_process("smoke", "examples", "--json", cwd=empty_project)
    assert smoke.code == 8
    failed = [check for check in smoke.json["report"]["checks"] if not check["ok"]]
    assert {check["name"].rpartition(" ")[2] for check in failed} == {"REST", "gRPC"}
    assert all("classify/classes" in check["detail"] for check in failed)


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("e.csv", "x,bias\n4,1\n8,\n"),
        ("e.json", json.dumps({"signature_name": "serving_default", "examples": [{"x": 4, "bias": 1}, {"x": 8}]})),
    ],
)
def test_examples_are_given_by_feature(exporter: Exporter, tmp_path: Path, name: str, text: str) -> None:
    (tmp_path / name).write_text(text)
    exported = exporter(str(EXAMPLES), examples=tmp_path / name)
    given = [case for case in exported.cases() if case.signature == "serving_default"]
    assert [case.outputs["outputs"].tolist() for case in given] == [[3.0], [3.0, 6.0]]


def test_a_record_that_the_graph_refuses_is_reported(exporter: Exporter, tmp_path: Path) -> None:
    import tensorflow as tf

    path = tmp_path / "e.tfrecord"
    with tf.io.TFRecordWriter(str(path)) as writer:
        writer.write(tf_examples.build({"x": ["text"]}))
    with pytest.raises(GoldenError, match="refused an example for serving_default"):
        exporter(str(EXAMPLES), examples=path)


@pytest.fixture(scope="module")
def strings(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Signatures of TensorFlow 2 over examples of every kind of feature, over images, and over composite tensors."""
    import tensorflow as tf

    class Model(tf.Module):
        @tf.function(input_signature=[tf.TensorSpec([None], tf.string, name="examples")])
        def parse(self, examples):
            held = tf.io.parse_example(
                examples,
                {
                    "fixed": tf.io.FixedLenFeature([2], tf.float32),
                    "words": tf.io.VarLenFeature(tf.string),
                    "ids": tf.io.RaggedFeature(tf.int64),
                },
            )
            counts = tf.sparse.reduce_sum(tf.sparse.map_values(tf.ones_like, tf.sparse.map_values(
                tf.strings.length, held["words"])), axis=1)  # fmt: skip
            return {"sum": tf.reduce_sum(held["fixed"], 1), "words": counts, "ids": held["ids"].row_lengths()}

        @tf.function(input_signature=[tf.TensorSpec([None], tf.string, name="image")])
        def picture(self, image):
            decode = lambda data: tf.image.resize(tf.io.decode_png(data, channels=1), (4, 4))  # noqa: E731
            return {"mean": tf.reduce_mean(tf.map_fn(decode, image, fn_output_signature=tf.float32), (1, 2, 3))}

        @tf.function(input_signature=[tf.RaggedTensorSpec([None, None], tf.float32)])
        def ragged(self, rows):
            return {"sum": tf.reduce_sum(rows, 1)}

        @tf.function(input_signature=[tf.SparseTensorSpec([None, 3], tf.float32)])
        def sparse(self, rows):
            return {"sum": tf.sparse.reduce_sum(rows, 1)}

    path = tmp_path_factory.mktemp("strings") / "model"
    model = Model()
    signatures = {name: getattr(model, name) for name in ("parse", "picture", "ragged", "sparse")}
    tf.saved_model.save(model, str(path), signatures=signatures)
    return path


def test_features_and_images_are_made_up_and_composite_tensors_are_refused(exporter: Exporter, strings: Path) -> None:
    exported = exporter(str(strings))
    assert {case.signature for case in exported.cases()} == {"parse", "picture"}
    batch = next(case for case in exported.cases() if len(case.inputs.get("examples", ())) == 3)
    held = [values(one) for one in batch.inputs["examples"]]
    assert [len(one["words"]) for one in held] == batch.outputs["words"].tolist() == [2, 1, 3]
    np.testing.assert_allclose(batch.outputs["sum"], [sum(one["fixed"]) for one in held], rtol=1e-5)
    told = dict(text.split(": ", 1) for text in exported.summary.skipped)
    assert "takes a ragged tensor, and requests carry dense ones" in told["ragged"]
    assert "takes a sparse tensor" in told["sparse"]


def test_examples_for_a_composite_tensor_are_refused(exporter: Exporter, strings: Path, tmp_path: Path) -> None:
    (tmp_path / "e.json").write_text(
        json.dumps({"signature_name": "ragged", "inputs": {"rows": [1.0, 2.0], "rows_1": [0, 2]}})
    )
    with pytest.raises(GoldenError, match="ragged"):
        exporter(str(strings), examples=tmp_path / "e.json")


def test_a_sparse_tensor_of_tensorflow_1_is_refused_with_the_reason(exporter: Exporter) -> None:
    v1, directory = tf.compat.v1, exporter.root / "sparse"
    builder = v1.saved_model.Builder(str(directory))
    with tf.Graph().as_default(), v1.Session() as session:
        given = v1.sparse_placeholder(tf.float32, [None, 3], "given")
        other = v1.placeholder(tf.float32, [None], "other")
        tensors = (given, other, v1.sparse.to_dense(given), tf.identity(other * 2.0))
        sparse, dense, from_sparse, doubled = map(v1.saved_model.utils.build_tensor_info, tensors)
        declared = v1.saved_model.build_signature_def
        signatures = {
            "adds": declared({"x": sparse}, {"y": from_sparse}, "tensorflow/serving/predict"),
            "doubles": declared({"x": dense}, {"y": doubled}, "tensorflow/serving/predict"),
        }
        builder.add_meta_graph_and_variables(session, ["serve"], signatures)
    builder.save()
    summary = exporter(str(directory)).summary
    assert summary.cases > 0
    assert summary.skipped == (
        "adds: 'x' is a sparse tensor of TensorFlow 1, and requests carry dense ones; "
        "take a dense tensor, or tf.Example messages",
    )
