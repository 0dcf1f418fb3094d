"""Other Python model servers, each in an environment of its own that is thrown away, serving a SavedModel as their
documents say, also with their batching of concurrent requests. Each takes one process for the model, as ours does."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from importlib.metadata import version
from pathlib import Path

LOAD = """
import tensorflow as tf

loaded = tf.saved_model.load({model!r})
call = loaded.signatures["serving_default"]
((name, spec),) = call.structured_input_signature[1].items()


def answer(rows):
    (output,) = call(**{{name: tf.constant(rows, spec.dtype)}}).values()
    return output.numpy()
"""
LITSERVE = """
import litserve


class Api(litserve.LitAPI):
    def setup(self, device):
        from model import answer

        self.answer = answer

    def decode_request(self, request):
        return request["instances"]

    def predict(self, rows):
        return self.answer(rows)

    def encode_response(self, output):
        return {{"predictions": output.tolist()}}


if __name__ == "__main__":
    server = litserve.LitServer(Api(), accelerator="cpu", workers_per_device=1, timeout=120)
    server.run(host="127.0.0.1", port={port}, generate_client_file=False, log_level="error")
"""
LITSERVE_BATCHING = """
import litserve


class Api(litserve.LitAPI):
    def setup(self, device):
        from model import answer

        self.answer = answer

    def decode_request(self, request):
        return request["instances"]

    def batch(self, requests):
        return requests

    def predict(self, requests):
        output = self.answer([row for rows in requests for row in rows])
        ends = [sum(map(len, requests[:number])) for number in range(len(requests) + 1)]
        return [output[begin:end] for begin, end in zip(ends, ends[1:])]

    def unbatch(self, outputs):
        return outputs

    def encode_response(self, output):
        return {{"predictions": output.tolist()}}


if __name__ == "__main__":
    api = Api(max_batch_size=32, batch_timeout=0.001)
    server = litserve.LitServer(api, accelerator="cpu", workers_per_device=1, timeout=120)
    server.run(host="127.0.0.1", port={port}, generate_client_file=False, log_level="error")
"""
BENTOML = """
import bentoml


@bentoml.service(workers=1)
class Rival:
    def __init__(self):
        from model import answer

        self.answer = answer

    @bentoml.api(route="/predict")
    def predict(self, instances: list) -> dict:
        return {{"predictions": self.answer(instances).tolist()}}
"""
BENTOML_BATCHING = """
import bentoml


@bentoml.service(workers=1)
class Rival:
    def __init__(self):
        from model import answer

        self.answer = answer

    @bentoml.api(route="/predict", batchable=True, max_batch_size=32, max_latency_ms=1000)
    def predict(self, instances: list) -> list:
        return self.answer(instances).tolist()
"""
MLSERVER = """
from mlserver import MLModel
from mlserver.codecs import NumpyCodec
from mlserver.types import InferenceResponse


class Rival(MLModel):
    async def load(self):
        from model import answer

        self.answer = answer
        return True

    async def predict(self, payload):
        output = self.answer(NumpyCodec.decode_input(payload.inputs[0]))
        return InferenceResponse(model_name=self.name, outputs=[NumpyCodec.encode_output("y", output)])
"""


@dataclass(frozen=True)
class Rival:
    """A server to compare with: how it is installed, what it runs, and how it is asked."""

    name: str
    files: Callable[[int], dict[str, str]]
    command: Callable[[int], Sequence[str]]
    path: str = "/predict"

    def body(self, rows: Sequence[object]) -> str:
        """A request for these rows."""
        return json.dumps({"instances": rows})


class OverV2(Rival):
    """One that speaks the Open Inference Protocol."""

    def body(self, rows: Sequence[object]) -> str:
        """A request for these rows, flattened as MLServer takes them quickest."""
        inner = len(rows[0]) if isinstance(rows[0], list) else 0
        flat = [value for row in rows for value in row] if inner else list(rows)
        shape = [len(rows), inner] if inner else [len(rows)]
        return json.dumps({"inputs": [{"name": "x", "shape": shape, "datatype": "FP32", "data": flat}]})


def _mlserver_files(port: int, **batching: float) -> dict[str, str]:
    ports = {"http_port": port, "grpc_port": port + 1, "metrics_port": port + 2}
    return {
        "rival.py": MLSERVER.format(),
        "settings.json": json.dumps({"host": "127.0.0.1", "parallel_workers": 0, "debug": False, **ports}),
        "model-settings.json": json.dumps({"name": "rival", "implementation": "rival.Rival", **batching}),
    }


RIVALS = (
    Rival("litserve", lambda port: {"rival.py": LITSERVE.format(port=port)}, lambda _: ("python", "rival.py")),
    Rival(
        "bentoml",
        lambda _: {"rival.py": BENTOML.format()},
        lambda port: ("bentoml", "serve", "rival:Rival", "--host", "127.0.0.1", "--port", str(port)),
    ),
    OverV2("mlserver", _mlserver_files, lambda _: ("mlserver", "start", "."), "/v2/models/rival/infer"),
)


BATCHING = (
    replace(RIVALS[0], files=lambda port: {"rival.py": LITSERVE_BATCHING.format(port=port)}),
    replace(RIVALS[1], files=lambda _: {"rival.py": BENTOML_BATCHING.format()}),
    replace(RIVALS[2], files=lambda port: _mlserver_files(port, max_batch_size=32, max_batch_time=0.001)),
)
"""The same, joining the requests of concurrent clients."""


def install(rival: Rival, directory: Path) -> Path:
    """Make the rival's environment and return its directory of programs; TensorFlow is the one that we run."""
    place = directory / rival.name
    uv = [str(Path(sys.executable).parent / "uv")]
    subprocess.run([*uv, "venv", "--quiet", "--python", sys.executable, place], check=True, timeout=600)
    wanted = [rival.name, f"tensorflow=={version('tensorflow')}"]
    subprocess.run([*uv, "pip", "install", "--quiet", "--python", place, *wanted], check=True, timeout=1800)
    return place / "bin"


def prepare(rival: Rival, directory: Path, model: Path, port: int) -> None:
    """Write what the rival runs."""
    directory.mkdir(parents=True)
    (directory / "model.py").write_text(LOAD.format(model=str(model)))
    for name, text in rival.files(port).items():
        (directory / name).write_text(text)
