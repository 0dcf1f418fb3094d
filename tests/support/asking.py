"""Asks a server over REST and over the stock gRPC stubs, and compares what it says with what TensorFlow says."""

from __future__ import annotations

import base64
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import grpc
import numpy as np
import requests

Arrays = Mapping[str, np.ndarray]
SECONDS = 60


@dataclass(frozen=True)
class Answer:
    """What TensorFlow answers to some inputs of one signature, and whether REST can ask it and tell its shape."""

    inputs: Arrays
    outputs: Arrays
    signature: str = "serving_default"
    ask_rest: bool = True


def over_rest(url: str, model: str, answer: Answer) -> dict[str, Any]:
    """The outputs, in columns."""
    body = {
        "signature_name": answer.signature,
        "inputs": {name: _json(np.asarray(array).tolist()) for name, array in answer.inputs.items()},
    }
    response = requests.post(f"{url}/v1/models/{model}:predict", json=body, timeout=SECONDS)
    assert response.status_code == 200, response.text
    found = response.json()["outputs"]
    return found if len(answer.outputs) > 1 else dict.fromkeys(answer.outputs, found)


def _json(value: Any) -> Any:
    if isinstance(value, list):
        return [_json(item) for item in value]
    return {"b64": base64.b64encode(value).decode()} if isinstance(value, bytes) else value


def over_grpc(address: str, model: str, answer: Answer) -> dict[str, Any]:
    """The outputs, as arrays."""
    import tensorflow as tf
    from tensorflow_serving.apis import predict_pb2, prediction_service_pb2_grpc

    request = predict_pb2.PredictRequest()
    request.model_spec.name, request.model_spec.signature_name = model, answer.signature
    for name, array in answer.inputs.items():
        request.inputs[name].CopyFrom(tf.make_tensor_proto(array))
    with grpc.insecure_channel(address) as channel:
        response = prediction_service_pb2_grpc.PredictionServiceStub(channel).Predict(request, timeout=SECONDS)
    return {name: tf.make_ndarray(tensor) for name, tensor in response.outputs.items()}


def same(wanted: Arrays, found: Mapping[str, Any]) -> None:
    """Equal names, equal shapes, equal numbers; REST writes text where gRPC carries bytes."""
    assert set(found) == set(wanted)
    for name, array in wanted.items():
        got = np.array(found[name])
        assert got.shape == np.shape(array), name
        if np.asarray(array).dtype.kind in "OSU":
            assert [_bytes(value) for value in got.ravel()] == [_bytes(value) for value in np.ravel(array)]
        else:
            np.testing.assert_allclose(got, array, rtol=1e-5, atol=1e-6)


def _bytes(value: Any) -> bytes:
    return value if isinstance(value, bytes) else str(value).encode()
