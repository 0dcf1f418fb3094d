"""Requests as a server reads them, and its answers as arrays: JSON of the REST API, messages of the gRPC API."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from deployer.client import tf_examples
from deployer.errors import RequestFailed
from deployer.results.model import TensorSpec
from deployer.savedmodel import tensors
from deployer.savedmodel.messages import message_class

if TYPE_CHECKING:
    from google.protobuf.message import Message

    from deployer.client.tf_examples import Array

_KINDS = {tf_examples.PREDICT: "Predict", tf_examples.CLASSIFY: "Classification", tf_examples.REGRESS: "Regression"}


@dataclass(frozen=True)
class ModelTarget:
    """The signature of a model that a request is for. `version` may be a label; the server chooses where it is None."""

    model: str
    version: int | str | None
    signature: str


def version_path(version: int | str | None) -> str:
    """Return the part of a path that names a version or a label."""
    kind = "labels" if isinstance(version, str) else "versions"
    return f"/{kind}/{version}" if version is not None else ""


def rest_path(model: str, version: int | str | None, method: str = tf_examples.PREDICT) -> str:
    """Return the path of a REST request."""
    return f"/v1/models/{model}{version_path(version)}:{method}"


def grpc_method(method: str) -> str:
    """Return the method of a gRPC call, such as `PredictionService/Predict`."""
    return f"PredictionService/{method.title()}"


def answer_name(method: str) -> str:
    """Return the name of the message that a gRPC call returns, such as `PredictResponse`."""
    return f"{_KINDS[method]}Response"


def predict_body(signature: str, inputs: Mapping[str, Array]) -> bytes:
    """Return the JSON of a predict request for arrays by input name."""
    columns = {name: tensors.to_json(array) for name, array in inputs.items()}
    return json.dumps({"signature_name": signature, "inputs": columns}).encode()


def examples_body(signature: str, examples: Sequence[bytes]) -> bytes:
    """Return the JSON of a classify or regress request for serialized tf.Example messages."""
    rows = [tf_examples.to_json(example) for example in examples]
    return json.dumps({"signature_name": signature, "examples": rows}).encode()


def predict_message(target: ModelTarget, inputs: Mapping[str, Array]) -> Message:
    """Return the message of a predict request for arrays by input name."""
    request = _request(target, tf_examples.PREDICT)
    for name, array in inputs.items():
        request.inputs[name].CopyFrom(tensors.to_proto(array))
    return request


def examples_message(target: ModelTarget, method: str, examples: Sequence[bytes]) -> Message:
    """Return the message of a classify or regress request for serialized tf.Example messages."""
    request = _request(target, method)
    tf_examples.fill_input(request.input, examples)
    return request


def _request(target: ModelTarget, method: str) -> Message:
    request = message_class(f"tensorflow.serving.{_KINDS[method]}Request")()
    request.model_spec.name = target.model
    request.model_spec.signature_name = target.signature
    if isinstance(target.version, str):
        request.model_spec.version_label = target.version
    elif target.version is not None:
        request.model_spec.version.value = target.version
    return request


def read_json(answer: object, method: str, signature: str, outputs: tuple[TensorSpec, ...]) -> dict[str, Array]:
    """Return the arrays of a parsed REST answer. JSON has no dtypes: `outputs` gives those of a predict request.

    Raises RequestFailed, and MalformedTensor for values that form no such array.
    """
    if method == tf_examples.PREDICT:
        return _read_predict(answer, signature, outputs)
    if not isinstance(answer, dict) or "results" not in answer:
        raise RequestFailed(f"the {method} answer lacks results: {str(answer)[:200]}")
    return tf_examples.from_json(answer["results"], method)


def _read_predict(answer: object, signature: str, outputs: tuple[TensorSpec, ...]) -> dict[str, Array]:
    values: Any = answer.get("outputs") if isinstance(answer, dict) else None
    if len(outputs) == 1:
        values = {outputs[0].name: values}
    if not isinstance(values, dict) or set(values) != {spec.name for spec in outputs}:
        raise RequestFailed(f"the answer lacks outputs of signature {signature}: {str(answer)[:200]}")
    return {spec.name: tensors.from_json(values[spec.name], spec.dtype) for spec in outputs}


def read_message(answer: Message, method: str) -> tuple[int, dict[str, Array]]:
    """Return the version that answered over gRPC, and the arrays of its answer."""
    version = answer.model_spec.version.value
    if method != tf_examples.PREDICT:
        return version, tf_examples.from_response(answer, method)
    return version, {name: tensors.from_proto(answer.outputs[name]) for name in answer.outputs}
