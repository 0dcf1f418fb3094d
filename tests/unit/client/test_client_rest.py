"""What the client asks over REST, and the values that answers become."""

from __future__ import annotations

import json
import math

import numpy as np
import pytest
from support.client_asks import (
    AVAILABLE,
    QUESTION,
    TWO,
    X,
    Y,
)

from deployer.client.encoding import ModelTarget
from deployer.errors import MalformedTensor, RequestFailed
from deployer.results.model import Signature, TensorSpec
from deployer.results.running import ModelState


def test_states_are_read(server, client):
    failed = {"version": "2", "state": "END", "status": {"error_code": "NOT_FOUND", "error_message": "no such file"}}
    server.answer({"model_version_status": [AVAILABLE, failed, {"version": "3", "state": "LOADING"}]})
    assert client.states("m") == (
        ModelState("m", 1, "AVAILABLE"), ModelState("m", 2, "END", "no such file"), ModelState("m", 3, "LOADING"),
    )  # fmt: skip
    assert [(asked.method, asked.path) for asked in server.asked] == [("GET", "/v1/models/m")]


@pytest.mark.parametrize(
    "body",
    [
        None, 3, [], {}, '"text"', {"model_version_status": None}, {"model_version_status": {"a": 1}},
        {"model_version_status": [None]}, {"model_version_status": [{}]}, {"model_version_status": ["x"]},
        *({"model_version_status": [{**AVAILABLE, "version": version}]} for version in (None, "x", [], math.inf)),
        *({"model_version_status": [{**AVAILABLE, "status": status}]} for status in (None, [], "text", 3)),
    ],
    ids=str,
)  # fmt: skip
def test_a_status_of_another_shape_is_a_failed_request(server, client, body):
    server.answer(body)
    with pytest.raises(RequestFailed, match="the status of m cannot be understood"):
        client.states("m")


def metadata(**definitions: object) -> dict:
    return {"metadata": {"signature_def": {"signature_def": definitions}}}


def tensor(dtype: str, **shape: object) -> dict:
    return {"dtype": dtype, "tensor_shape": shape, "name": "x:0"}


def test_signatures_are_read_and_the_init_op_is_none(server, client):
    inputs = {
        "b": tensor("DT_FLOAT", dim=[{"size": "-1", "name": ""}, {"size": "3", "name": ""}], unknown_rank=False),
        "a": tensor("DT_STRING", dim=[], unknown_rank=True),
    }
    server.answer(
        metadata(
            s={"inputs": inputs, "outputs": {"y": tensor("DT_HALF")}, "method_name": "p"}, __saved_model_init_op={}
        )
    )
    wanted = (TensorSpec("a", "string", None), TensorSpec("b", "float32", (None, 3)))
    assert client.signatures("m", 4) == (Signature("s", "p", wanted, (TensorSpec("y", "float16", ()),)),)
    assert server.asked[0].path == "/v1/models/m/versions/4/metadata"


@pytest.mark.parametrize(
    "body",
    [
        None, [], {}, {"metadata": None}, {"metadata": {"signature_def": []}}, metadata(s=None), metadata(s={}),
        metadata(s={"method_name": "p", "inputs": None}), metadata(s={"method_name": "p", "inputs": {"x": {}}}),
        metadata(s={"method_name": "p", "inputs": {"x": {"dtype": 1, "tensor_shape": {}}}}),
        metadata(s={"method_name": "p", "inputs": {"x": {"dtype": "DT_INT8", "tensor_shape": None}}}),
        *(
            metadata(s={"method_name": "p", "inputs": {"x": tensor("DT_INT8", dim=dim)}})
            for dim in (3, [3], [{}], [{"size": "x"}], [{"size": math.inf}])
        ),
        {"metadata": {"signature_def": {"signature_def": [["a"]]}}},
    ],
    ids=str,
)  # fmt: skip
def test_metadata_of_another_shape_is_a_failed_request(server, client, body):
    server.answer(body)
    with pytest.raises(RequestFailed, match="the metadata of m cannot be understood"):
        client.signatures("m", 1)


def test_a_question_over_rest_is_asked_in_columns_and_strings_go_as_base64(server, client):
    server.answer({"outputs": {"a": [1], "b": [{"b64": "/w=="}]}})
    words = np.empty(1, dtype=object)
    words[:] = [b"\xff"]
    answer = client.predict_rest(QUESTION, {"x": np.float32([0.5]), "words": words}, TWO)
    assert (answer["a"].dtype, answer["a"].tolist(), answer["b"].tolist()) == (np.int64, [1], [b"\xff"])
    assert (server.asked[0].method, server.asked[0].path) == ("POST", "/v1/models/m/versions/2:predict")
    inputs = {"x": [0.5], "words": [{"b64": "/w=="}]}
    assert json.loads(server.asked[0].body) == {"signature_name": "serving_default", "inputs": inputs}


def test_a_single_output_comes_without_its_name(server, client):
    server.answer({"outputs": [[1.5], [2]]})
    np.testing.assert_array_equal(np.float32([[1.5], [2.0]]), client.predict_rest(QUESTION, X, Y)["y"])


def test_without_a_version_the_server_chooses(server, client):
    server.answer({"outputs": [1]})
    client.predict_rest(ModelTarget("m", None, "s"), X, Y)
    assert server.asked[0].path == "/v1/models/m:predict"


def test_words_that_are_not_json_but_tensorflow_servings_are_numbers(server, client):
    server.answer('{"outputs": [NaN, Infinity, -Infinity, 1e300]}')
    with np.errstate(over="ignore"):
        answer = client.predict_rest(QUESTION, X, Y)["y"]
    np.testing.assert_array_equal(np.float32([np.nan, np.inf, -np.inf, np.inf]), answer)


@pytest.mark.parametrize(
    "body",
    [None, 3, [], {}, {"predictions": []}, *({"outputs": found} for found in (None, {"a": [1]}, dict.fromkeys("abc")))],
    ids=str,
)
def test_an_answer_that_lacks_outputs_is_a_failed_request(server, client, body):
    server.answer(body)
    with pytest.raises(RequestFailed, match="lacks outputs of signature serving_default"):
        client.predict_rest(QUESTION, X, TWO)


@pytest.mark.parametrize(
    ("body", "dtype"),
    [
        ({"outputs": None}, "float32"), ({"outputs": {"y": [1]}}, "float32"), ({"outputs": [[1], [1, 2]]}, "float32"),
        ({"outputs": ["1"]}, "float32"), ({"outputs": [1.5]}, "int32"), ('{"outputs": [NaN]}', "int64"),
        ({"outputs": [2**40]}, "int32"), ({"outputs": [1]}, "string"), ({"outputs": [{"b64": "!"}]}, "string"),
        ({"outputs": [{"b64": 1}]}, "string"), ('{"outputs": ' + "[" * 70 + '"x"' + "]" * 70 + "}", "string"),
        ('{"outputs": ' + "[" * 70 + "1" + "]" * 70 + "}", "float32"),
    ],
    ids=str,
)  # fmt: skip
def test_outputs_that_are_no_tensor_of_their_dtype_are_refused(server, client, body, dtype):
    server.answer(body)
    with pytest.raises(MalformedTensor):
        client.predict_rest(QUESTION, X, (TensorSpec("y", dtype, None),))
