"""A model behind a FakeServer: it declares, says and computes what a test wants it to."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import grpc

from deployer.results.model import Signature, TensorSpec
from deployer.savedmodel import tensors
from deployer.savedmodel.messages import message_class
from support.fake_server import Asked

PREDICT = "tensorflow/serving/predict"
Outputs = Mapping[str, Any]


def signature(dtype: str = "float32", *outputs: str) -> Signature:
    specs = tuple(TensorSpec(name, dtype, (None,)) for name in outputs or ("y",))
    return Signature("serving_default", PREDICT, (TensorSpec("x", dtype, (None,)),), specs)


def half_plus_two(inputs: Outputs) -> Outputs:
    return {"y": inputs["x"] / inputs["x"].dtype.type(2) + inputs["x"].dtype.type(2)}


@dataclass
class Served:
    """A model as the fake server serves it: what it declares, says of its state, and computes."""

    signature: Signature = field(default_factory=signature)
    states: list[dict[str, Any]] = field(default_factory=lambda: [{"version": "1", "state": "AVAILABLE"}])
    over_rest: Callable[[Outputs], Outputs] = half_plus_two
    over_grpc: Callable[[Outputs], Outputs] = half_plus_two
    dtype: str = "float32"

    def rest(self, asked: Asked) -> tuple[int, bytes]:
        if asked.method == "POST":
            body = json.loads(asked.body)
            inputs = {name: tensors.from_json(value, self.dtype) for name, value in body["inputs"].items()}
            found = {name: tensors.to_json(array) for name, array in self.over_rest(inputs).items()}
            return 200, json.dumps({"outputs": found if len(found) > 1 else next(iter(found.values()))}).encode()
        answer = self.metadata() if asked.path.endswith("/metadata") else {"model_version_status": self.states}
        return 200, json.dumps(answer).encode()

    def metadata(self) -> dict[str, Any]:
        declared = {
            "inputs": {spec.name: declare(spec) for spec in self.signature.inputs},
            "outputs": {spec.name: declare(spec) for spec in self.signature.outputs},
            "method_name": self.signature.method,
        }
        return {"metadata": {"signature_def": {"signature_def": {self.signature.name: declared}}}}

    def call(self, _method: str, message: bytes, _context: grpc.ServicerContext) -> bytes:
        request, response = (
            message_class("tensorflow.serving.PredictRequest").FromString(message),
            message_class("tensorflow.serving.PredictResponse")(),
        )
        inputs = {name: tensors.from_proto(request.inputs[name]) for name in request.inputs}
        for name, array in self.over_grpc(inputs).items():
            response.outputs[name].CopyFrom(tensors.to_proto(array))
        return bytes(response.SerializeToString())


def declare(spec: TensorSpec) -> dict[str, Any]:
    dims = [{"size": str(-1 if size is None else size)} for size in spec.shape or ()]
    return {"dtype": "DT_" + {"float32": "FLOAT", "float16": "HALF"}.get(spec.dtype, spec.dtype.upper()),
            "tensor_shape": {"dim": dims, "unknown_rank": spec.shape is None}}  # fmt: skip
