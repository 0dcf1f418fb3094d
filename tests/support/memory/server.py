"""A model server of linear models: the part of TensorFlow Serving that the tool's rollout depends on."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import grpc
import numpy as np
from google.protobuf import text_format

from deployer.results.model import TensorSpec
from deployer.savedmodel import tensors
from deployer.savedmodel.messages import message_class
from support.fake_model import declare
from support.fake_server import Asked
from support.memory import linear
from support.memory.linear import Linear

PATH = re.compile(r"/v1/models/(?P<name>[^/:]+)(/versions/(?P<version>\d+)|/labels/(?P<label>[^/:]+))?(?P<rest>.*)")
AVAILABLE, LOADING, END = "AVAILABLE", "LOADING", "END"


class NotServed(Exception):
    """A model or version that the server does not have."""


@dataclass
class Faults:
    """What goes wrong, by (name, version). A `wrong` version answers with another number, a `changed` one only once it
    serves; a `broken` one fails to load, a `slow` one goes on loading. A server that is `busy` refuses that many
    requests, and the next `reload` is refused with that text."""

    wrong: set[tuple[str, int]] = field(default_factory=set)
    changed: set[tuple[str, int]] = field(default_factory=set)
    broken: set[tuple[str, int]] = field(default_factory=set)
    slow: set[tuple[str, int]] = field(default_factory=set)
    reload: str = ""
    busy: int = 0


@dataclass
class Version:
    """One version as the server has it."""

    compute: Linear
    state: str
    error: str = ""


@dataclass
class ModelServer:
    """Loads what its config says, from where the config says; keeps a log."""

    faults: Faults
    candidate: bool = True
    log: list[str] = field(default_factory=list)
    models: dict[str, dict[int, Version]] = field(default_factory=dict)
    labels: dict[str, dict[str, int]] = field(default_factory=dict)

    def take_up(self, text: str) -> None:
        """Load and unload until just this config is served."""
        config = message_class("tensorflow.serving.ModelServerConfig")()
        text_format.Parse(text, config)
        self.take_up_message(config)

    def take_up_message(self, config: Any) -> None:
        """The same with a parsed config."""
        before, self.models = self.models, {}
        for model in config.model_config_list.config:
            versions = model.model_version_policy.specific.versions
            known = before.get(model.name, {})
            self.models[model.name] = {
                version: known.get(version) or self._loaded(model.name, Path(model.base_path) / str(version))
                for version in versions
            }
            self.labels[model.name] = dict(model.version_labels)

    def _loaded(self, name: str, directory: Path) -> Version:
        version = int(directory.name)
        if (name, version) in self.faults.broken:
            self.log.append(f"Loading servable: {{name: {name} version: {version}}} failed: DATA_LOSS: cannot be read")
            return Version(Linear(), END, "DATA_LOSS: cannot be read")
        found = linear.read(directory)
        if (name, version) in self.faults.slow:
            return Version(found, LOADING)
        self.log.append(f"Successfully loaded servable version {{name: {name} version: {version}}}")
        return Version(found, AVAILABLE)

    def rest(self, asked: Asked) -> tuple[int, bytes]:
        """Answer a REST request."""
        if self._refuses():
            return 503, json.dumps({"error": "Server Threadpool Exhausted"}).encode()
        try:
            return 200, json.dumps(self._answered(asked)).encode()
        except NotServed as error:
            return 404, json.dumps({"error": str(error)}).encode()

    def _answered(self, asked: Asked) -> dict[str, Any]:
        match = PATH.fullmatch(asked.path)
        if match is None:
            raise NotServed("Malformed request")
        name, rest = match["name"], match["rest"]
        if rest == "":
            return {"model_version_status": self._states(name)}
        version = self._version(name, match["version"] and int(match["version"]), match["label"])
        if rest == "/metadata":
            return self._metadata(name, version)
        return self._predicted(name, version, json.loads(asked.body))

    def _states(self, name: str) -> list[dict[str, Any]]:
        if name not in self.models:
            raise NotServed(f"Could not find any versions of model {name}")
        return [
            {"version": str(number), "state": version.state, "status": {"error_message": version.error}}
            for number, version in sorted(self.models[name].items(), reverse=True)
        ]

    def _version(self, name: str, version: int | None, label: str | None) -> int:
        """That version, the labelled one, or the highest."""
        there = {number for number, found in self.models.get(name, {}).items() if found.state == AVAILABLE}
        if label is not None:
            version = self.labels.get(name, {}).get(label, 0)
        if not there or (version is not None and version not in there):
            raise NotServed(f"Servable not found for request: Specific({name}, {version})")
        return max(there) if version is None else version

    def _metadata(self, name: str, version: int) -> dict[str, Any]:
        compute = self.models[name][version].compute
        declared = {
            "inputs": {compute.input: declare(TensorSpec(compute.input, "float32", (None,)))},
            "outputs": {compute.output: declare(TensorSpec(compute.output, "float32", (None,)))},
            "method_name": linear.PREDICT,
        }
        spec = {"name": name, "signature_name": "", "version": str(version)}
        return {"model_spec": spec, "metadata": {"signature_def": {"signature_def": {linear.SIGNATURE: declared}}}}

    def _predicted(self, name: str, version: int, body: Mapping[str, Any]) -> dict[str, Any]:
        if "instances" in body:
            rows = [row[self._input(name, version)] if isinstance(row, dict) else row for row in body["instances"]]
            return {"predictions": self._computed(name, version, np.float32(rows)).tolist()}
        given = body["inputs"]
        values = given[self._input(name, version)] if isinstance(given, dict) else given
        return {"outputs": self._computed(name, version, np.float32(values)).tolist()}

    def _input(self, name: str, version: int) -> str:
        return self.models[name][version].compute.input

    def _computed(self, name: str, version: int, x: np.ndarray) -> np.ndarray:
        wrong = (name, version) in self.faults.wrong
        wrong |= (name, version) in self.faults.changed and not self.candidate
        return self.models[name][version].compute(x) + np.float32(100.0 if wrong else 0.0)

    def call(self, method: str, message: bytes, context: grpc.ServicerContext) -> bytes:
        """Answer a gRPC call."""
        if self._refuses():
            context.abort(grpc.StatusCode.RESOURCE_EXHAUSTED, "Server Threadpool Exhausted")
        calls: dict[str, Callable[[bytes], Any]] = {"Predict": self._predict, "HandleReloadConfigRequest": self._reload}
        try:
            return bytes(calls[method.rpartition("/")[2]](message).SerializeToString())
        except NotServed as error:
            context.abort(grpc.StatusCode.NOT_FOUND, str(error))
            raise

    def _predict(self, message: bytes) -> Any:
        request, response = (
            message_class("tensorflow.serving.PredictRequest").FromString(message),
            message_class("tensorflow.serving.PredictResponse")(),
        )
        spec = request.model_spec
        wanted = spec.version.value if spec.HasField("version") else None
        version = self._version(spec.name, wanted, spec.version_label or None)
        compute = self.models[spec.name][version].compute
        answer = self._computed(spec.name, version, tensors.from_proto(request.inputs[compute.input]))
        response.outputs[compute.output].CopyFrom(tensors.to_proto(answer))
        response.model_spec.name, response.model_spec.version.value = spec.name, version
        return response

    def _reload(self, message: bytes) -> Any:
        response = message_class("tensorflow.serving.ReloadConfigResponse")()
        if self.faults.reload:
            response.status.error_code, response.status.error_message = 3, self.faults.reload
            self.faults.reload = ""
        else:
            self.take_up_message(message_class("tensorflow.serving.ReloadConfigRequest").FromString(message).config)
        return response

    def _refuses(self) -> bool:
        if self.faults.busy <= 0:
            return False
        self.faults.busy -= 1
        return True
