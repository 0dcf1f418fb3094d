"""tf.Example messages between their forms, and the answers of classify and regress as arrays."""

from __future__ import annotations

import json
import struct

import numpy as np
import pytest

from deployer.client import tf_examples
from deployer.errors import GoldenError, MalformedTensor
from deployer.savedmodel.messages import message_class
from deployer.verification import golden
from deployer.verification.golden import GoldenCase

ONE = tf_examples.build({"x": [0.5, 2.0], "n": [1], "s": [b"\xff", "é"]})
INPUT = {"inputs": tf_examples.string_array([ONE])}
CLASSES = {"classes": np.array([[b"a", b"\x00b"]], object), "scores": np.float32([[0.25, -1]])}
CASES = [
    GoldenCase("c", INPUT, CLASSES, "classify"),
    GoldenCase("r", INPUT, {"outputs": np.float32([1.5])}, "regress"),
]


def test_an_example_as_json_keeps_the_kind_of_every_feature():
    text = json.dumps(tf_examples.to_json(ONE))
    assert json.loads(text) == {"n": [1], "s": [{"b64": "/w=="}, {"b64": "w6k="}], "x": [0.5, 2.0]}
    assert "2.0" in text


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.method)
def test_golden_cases_of_examples_are_read_back(tmp_path, case):
    record = golden.to_record(case)
    path = tmp_path / golden.GOLDEN_FILE
    path.parent.mkdir()
    path.write_bytes(struct.pack("<QI", len(record), 0) + record + bytes(4))
    (found,) = golden.read(tmp_path)
    assert (found.signature, found.method) == (case.signature, case.method)
    assert found.inputs["inputs"].tolist() == [ONE]
    assert {name: array.tolist() for name, array in found.outputs.items()} == {
        name: array.tolist() for name, array in case.outputs.items()
    }
    message = message_class("tensorflow.serving.PredictionLog").FromString(record)
    assert message.WhichOneof("log_type") == f"{case.method}_log"


def test_a_record_of_another_kind_is_a_damaged_golden_set(tmp_path):
    path = tmp_path / golden.GOLDEN_FILE
    path.parent.mkdir()
    path.write_bytes(struct.pack("<QI", 0, 0) + bytes(4))
    with pytest.raises(GoldenError, match="is damaged"):
        golden.read(tmp_path)


def test_what_a_model_gave_becomes_what_the_method_answers():
    one_sided = tf_examples.method_outputs("classify", {"scores": np.float32([[1, 2]])})
    assert one_sided["classes"].tolist() == [[b"", b""]]
    assert tf_examples.method_outputs("regress", {"outputs": np.float32([[1], [2]])})["outputs"].tolist() == [1, 2]


@pytest.mark.parametrize(
    ("method", "outputs"),
    [
        ("classify", {"scores": np.float32([1, 2])}),
        ("classify", {"scores": np.float64([[1, 2]])}),
        ("classify", {"classes": np.array([[b"a"]], object), "scores": np.float32([[1, 2]])}),
        ("classify", {"y": np.float32([[1]])}),
        ("regress", {"outputs": np.float32([[1, 2]])}),
        ("regress", {"outputs": np.float64([1])}),
        ("regress", {"y": np.float32([1])}),
    ],
)
def test_what_the_server_would_refuse_to_answer_is_refused(method, outputs):
    with pytest.raises(MalformedTensor, match=method):
        tf_examples.method_outputs(method, outputs)


@pytest.mark.parametrize("results", [3, [["a"]], [[1]], None, [[["a", "b"]]]])
def test_rest_results_of_another_form_are_refused(results):
    with pytest.raises(MalformedTensor, match="results do not form"):
        tf_examples.from_json(results, "classify")
