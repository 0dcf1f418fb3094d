"""What the client asks over gRPC, and the values that answers become."""

from __future__ import annotations

import grpc
import numpy as np
import pytest
from support.client_asks import (
    OVER_GRPC,
    QUESTION,
    X,
    ask_grpc,
    nobody,
    predict_response,
)

from deployer.client.encoding import ModelTarget
from deployer.errors import MalformedTensor, RequestFailed
from deployer.savedmodel import tensors
from deployer.savedmodel.messages import message_class


def test_a_question_over_grpc_carries_model_version_signature_and_tensors(server, client):
    seen = []

    def answer(method: str, request: bytes, _: object) -> bytes:
        seen.append((method, message_class("tensorflow.serving.PredictRequest").FromString(request)))
        return predict_response(a=np.int64([[7]]), b=np.bool_([True])).SerializeToString()

    server.call = answer
    _, found = client.predict_grpc(QUESTION, X)
    assert {name: (str(array.dtype), array.tolist()) for name, array in found.items()} == {
        "a": ("int64", [[7]]), "b": ("bool", [True]),
    }  # fmt: skip
    (method, request), *_ = seen
    assert method == "/tensorflow.serving.PredictionService/Predict"
    spec = request.model_spec
    assert (spec.name, spec.version.value, spec.signature_name) == ("m", 2, "serving_default")
    np.testing.assert_array_equal(X["x"], tensors.from_proto(request.inputs["x"]))
    client.predict_grpc(ModelTarget("m", None, "s"), X)
    assert not seen[-1][1].model_spec.HasField("version")


def test_a_refusal_over_grpc_is_reported_in_the_servers_words(server, client):
    server.call = lambda _, __, context: context.abort(grpc.StatusCode.INVALID_ARGUMENT, "no input " + "x" * 10_000)
    with pytest.raises(RequestFailed, match="PredictionService/Predict was answered INVALID_ARGUMENT: no input") as no:
        ask_grpc(client)
    assert len(no.value.message) < 700


@pytest.mark.parametrize("ask", OVER_GRPC)
def test_bytes_that_are_no_message_are_a_failed_request(server, client, ask):
    server.call = lambda *_: b"\xff\xff\xff"
    with pytest.raises(RequestFailed, match="INTERNAL"):
        ask(client)


@pytest.mark.parametrize("ask", OVER_GRPC)
def test_silence_over_grpc_ends_at_the_deadline(server, hasty, ask):
    server.call = lambda *_: server.hang() or b""
    with pytest.raises(RequestFailed, match="DEADLINE_EXCEEDED"):
        ask(hasty)


@pytest.mark.parametrize("fields", [{"dtype": 99}, {"dtype": 1, "tensor_content": b"abc"}], ids=str)
def test_a_malformed_tensor_over_grpc_is_refused(server, client, fields):
    response = predict_response(y=np.float32([1]))
    response.outputs["y"].CopyFrom(message_class("tensorflow.TensorProto")(**fields))
    response.outputs["y"].tensor_shape.dim.add(size=1)
    server.call = lambda *_: response.SerializeToString()
    with pytest.raises(MalformedTensor):
        ask_grpc(client)


def test_a_reload_hands_over_the_config_and_a_refusal_is_reported(server, client):
    seen = []

    def answer(method: str, request: bytes, _: object) -> bytes:
        seen.append((method, message_class("tensorflow.serving.ReloadConfigRequest").FromString(request)))
        answer = message_class("tensorflow.serving.ReloadConfigResponse")()
        answer.status.error_code, answer.status.error_message = (
            (0, "") if len(seen) == 1 else (3, "label has no version")
        )
        return answer.SerializeToString()

    server.call = answer
    config = 'model_config_list { config { name: "m" base_path: "/models/m" model_platform: "tensorflow" } }'
    client.reload(config)
    assert seen[0][0] == "/tensorflow.serving.ModelService/HandleReloadConfigRequest"
    assert seen[0][1].config.model_config_list.config[0].base_path == "/models/m"
    with pytest.raises(RequestFailed, match="refused its new config: label has no version"):
        client.reload(config)


def test_a_closed_client_may_be_closed_again():
    client = nobody()
    client.close()
    client.close()
