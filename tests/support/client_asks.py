"""What a client is made to ask in tests, one call for each way that it goes."""

from __future__ import annotations

import numpy as np

from deployer.client.client import Client
from deployer.client.encoding import ModelTarget
from deployer.results.deployment import Endpoints
from deployer.results.model import TensorSpec
from deployer.savedmodel import tensors
from deployer.savedmodel.messages import message_class
from support.world import free_port

QUESTION = ModelTarget("m", 2, "serving_default")
X = {"x": np.float32([1.0, 2.0])}
Y = (TensorSpec("y", "float32", (None,)),)
TWO = (TensorSpec("a", "int64", (None,)), TensorSpec("b", "string", (None,)))
AVAILABLE = {"version": "1", "state": "AVAILABLE", "status": {"error_code": "OK", "error_message": ""}}


def nobody() -> Client:
    return Client(Endpoints(f"http://127.0.0.1:{free_port()}", f"127.0.0.1:{free_port()}"), 5.0)


def ask_states(client: Client) -> object:
    return client.states("m")


def ask_rest(client: Client) -> object:
    return client.predict_rest(QUESTION, X, Y)


def ask_grpc(client: Client) -> object:
    return client.predict_grpc(QUESTION, X)[1]


def ask_reload(client: Client) -> object:
    return client.reload("model_config_list {}")


OVER_REST = [ask_states, ask_rest]
"""A GET and a POST, which go different ways."""
OVER_GRPC = [ask_grpc, ask_reload]


def predict_response(**outputs: np.ndarray) -> object:
    response = message_class("tensorflow.serving.PredictResponse")()
    for name, array in outputs.items():
        response.outputs[name].CopyFrom(tensors.to_proto(array))
    return response
