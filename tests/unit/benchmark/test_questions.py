"""Golden and given requests as the bytes that are sent, and the check of their answers."""

from __future__ import annotations

import dataclasses
import json

import numpy as np
import pytest
from support.results import MODEL

from deployer.benchmark import request_file
from deployer.benchmark.job import GRPC, REST
from deployer.benchmark.questions import Questions, addresses
from deployer.client import tf_examples
from deployer.results.deployment import Endpoints, Gateway
from deployer.results.model import Signature, TensorSpec
from deployer.savedmodel import tensors
from deployer.savedmodel.messages import message_class
from deployer.verification.golden import GoldenCase, Tolerance

FLOAT = Signature(
    "serving_default", "predict", (TensorSpec("x", "float32", (None,)),), (TensorSpec("y", "float32", (None,)),)
)
HALF = Signature("half", "predict", (TensorSpec("x", "float16", (None,)),), (TensorSpec("y", "float16", (None,)),))
INFO = dataclasses.replace(MODEL.info, signatures=(FLOAT, HALF))
OF = dataclasses.replace(MODEL, info=INFO, golden=dataclasses.replace(MODEL.golden, random_outputs=()))
CASE = GoldenCase("serving_default", {"x": np.float32([1, 2])}, {"y": np.float32([3, 4])})
ONLY_GRPC = GoldenCase("half", {"x": np.float16([1])}, {"y": np.float16([2])})
QUESTIONS = Questions("m", None, (ONLY_GRPC, CASE), golden_of=OF)
ENDPOINTS = Endpoints("http://127.0.0.1:8501", "127.0.0.1:8500")
ADDRESSES = addresses(ENDPOINTS, None)
PREDICT = "/tensorflow.serving.PredictionService/Predict"


def split(data: bytes) -> tuple[list[str], dict]:
    head, _, body = data.partition(b"\r\n\r\n")
    lines = head.decode().split("\r\n")
    assert f"Content-Length: {len(body)}" in lines
    return lines, json.loads(body)


def test_rest_gets_what_json_can_carry():
    (payload,) = QUESTIONS.payloads(REST, ADDRESSES[REST])
    lines, body = split(payload.data)
    assert lines[:2] == ["POST /v1/models/m:predict HTTP/1.1", "Host: 127.0.0.1:8501"]
    assert body == {"signature_name": "serving_default", "inputs": {"x": [1.0, 2.0]}}
    assert Questions("m", None, (ONLY_GRPC,), golden_of=OF).payloads(REST, ADDRESSES[REST]) == ()


@pytest.mark.parametrize(
    ("version", "path", "field"),
    [(None, "m", None), (7, "m/versions/7", "version"), ("canary", "m/labels/canary", "version_label")],
)
def test_a_version_or_a_label_is_named_over_both_apis(version, path, field):
    asking = dataclasses.replace(QUESTIONS, version=version)
    assert asking.payloads(REST, ADDRESSES[REST])[0].data.startswith(f"POST /v1/models/{path}:predict ".encode())
    payloads = asking.payloads(GRPC, ADDRESSES[GRPC])
    assert [payload.method for payload in payloads] == [PREDICT, PREDICT]
    request = message_class("tensorflow.serving.PredictRequest").FromString(payloads[1].data)
    assert request.model_spec.WhichOneof("version_choice") == field
    assert tensors.from_proto(request.inputs["x"]).tolist() == [1.0, 2.0]


def test_the_token_of_the_gateway_is_sent(tmp_path):
    (tmp_path / "token").write_text("secret\n")
    gated = addresses(ENDPOINTS, Gateway("d", True, tmp_path / "token"))[REST]
    lines, _ = split(QUESTIONS.payloads(REST, gated)[0].data)
    assert "Authorization: Bearer secret" in lines


def test_addresses_of_ipv6():
    found = addresses(Endpoints("https://[::1]:8443", "[::1]:8500"), None)
    assert [(each.host, str(each)) for each in found.values()] == [("::1", "[::1]:8443"), ("::1", "[::1]:8500")]


def test_examples_are_sent_to_their_method():
    example = tf_examples.build({"x": [1.0]})
    case = GoldenCase("c", {tf_examples.INPUT: tf_examples.string_array([example])}, {}, tf_examples.CLASSIFY)
    asking = Questions("m", None, (case,), golden_of=OF)
    lines, body = split(asking.payloads(REST, ADDRESSES[REST])[0].data)
    assert lines[0].startswith("POST /v1/models/m:classify ")
    assert body["examples"] == [{"x": [1.0]}]
    assert asking.payloads(GRPC, ADDRESSES[GRPC])[0].method.endswith("/Classify")


def test_given_requests_are_sent_as_they_are_over_rest_and_as_tensors_over_grpc():
    given = request_file.parse('{"instances": [1.5, 2.5]}')
    asking = Questions("m", None, given=given, signatures=(FLOAT,))
    assert asking.payloads(REST, ADDRESSES[REST])[0].data.endswith(b'\r\n\r\n{"instances": [1.5, 2.5]}')
    (payload,) = asking.payloads(GRPC, ADDRESSES[GRPC])
    request = message_class("tensorflow.serving.PredictRequest").FromString(payload.data)
    assert tensors.from_proto(request.inputs["x"]).tolist() == [1.5, 2.5]


def grpc_answer(*values: float) -> bytes:
    answer = message_class("tensorflow.serving.PredictResponse")()
    answer.outputs["y"].CopyFrom(tensors.to_proto(np.float32(values)))
    return answer.SerializeToString()


@pytest.mark.parametrize(
    ("api", "number", "right", "wrong"),
    [
        (REST, 0, b'{"outputs": [3.0, 4.0]}', b'{"outputs": [3.0, 4.5]}'),
        (REST, 0, b'{"outputs": [3.00000001, 4.0]}', b"not json"),
        (GRPC, 1, grpc_answer(3, 4), grpc_answer(3)),
        (GRPC, 1, grpc_answer(3, 4), b"\xff\xff"),
    ],
)
def test_answers_are_compared_with_the_golden_ones(api, number, right, wrong):
    assert QUESTIONS.check(api, [(number, right)] * 3, Tolerance()) == (3, 0, "")
    checked, bad, first = QUESTIONS.check(api, [(number, right), (number, wrong)], Tolerance())
    assert (checked, bad) == (2, 1)
    assert first


def test_answers_to_given_requests_have_nothing_to_be_compared_with():
    asking = Questions("m", None, given=request_file.parse('{"instances": [1.5]}'))
    assert asking.check(REST, [(0, b"anything")], Tolerance()) == (0, 0, "")
