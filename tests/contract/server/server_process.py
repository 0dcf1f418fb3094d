"""A model server as a child process on free ports, and the few ways in which the tests talk to it."""

from __future__ import annotations

import contextlib
import http.client
import json
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import grpc
from support.world import free_port

from deployer.savedmodel.messages import message_class

DATA = Path(__file__).parent / "data"
MODELS = DATA / "models"
PATIENCE = 90.0
HOST = "127.0.0.1"


def until(condition: Callable[[], Any], seconds: float = PATIENCE) -> Any:
    """Wait until a condition holds and return what it gave."""
    end = time.monotonic() + seconds
    while not (value := condition()):
        assert time.monotonic() < end, "it did not come about in time"
        time.sleep(0.02)
    return value


def model_config(name: str, base_path: Path, rest: str = "") -> str:
    return f'config {{ name: "{name}" base_path: "{base_path}" model_platform: "tensorflow" {rest} }}\n'


def config_message(text: str) -> Any:
    from google.protobuf import text_format

    message = message_class("tensorflow.serving.ModelServerConfig")()
    return text_format.Parse(f"model_config_list {{ {text} }}", message)


class ServerProcess:
    """The child, its ports and its log."""

    def __init__(self, directory: Path, *flags: str, port: int = 0, rest_port: int = 0) -> None:
        self.port, self.rest_port = port or free_port(), rest_port or free_port()
        self.log_file = directory / "server.log"
        self._channel: grpc.Channel | None = None
        own = (f"--port={self.port}", f"--rest_api_port={self.rest_port}", f"--listen_address={HOST}")
        with self.log_file.open("wb") as log:
            command = [sys.executable, "-m", "deployer.server", *own, *flags]
            self.child = subprocess.Popen(command, stdout=log, stderr=subprocess.STDOUT)

    @property
    def log(self) -> str:
        return self.log_file.read_text(errors="replace")

    def wait_for_log(self, text: str) -> None:
        end = time.monotonic() + PATIENCE
        while text not in self.log:
            ended = self.child.poll() is not None or time.monotonic() > end
            assert not ended or text in self.log, f"{text!r} is not in its log:\n{self.log}"
            time.sleep(0.02)

    def wait_ready(self) -> ServerProcess:
        self.wait_for_log("Exporting HTTP/REST API at:")
        return self

    def ask(self, method: str, path: str, body: Any = None, port: int = 0) -> tuple[int, Any]:
        """Ask the REST API and return the status and the JSON of the answer."""
        connection = http.client.HTTPConnection(HOST, port or self.rest_port, timeout=60)
        with contextlib.closing(connection):
            connection.request(method, path, body=None if body is None else json.dumps(body))
            answer = connection.getresponse()
            return answer.status, json.loads(answer.read())

    def predict(self, model: str, *values: float, port: int = 0) -> Any:
        return self.ask("POST", f"/v1/models/{model}:predict", {"instances": values}, port)

    def states(self, model: str) -> dict[int, str]:
        status, answer = self.ask("GET", f"/v1/models/{model}")
        return {int(each["version"]): each["state"] for each in answer["model_version_status"]} if status == 200 else {}

    def call(self, method: str, request: Any, answer: Any, seconds: float = 30.0) -> Any:
        """Call a gRPC method by its full name."""
        self._channel = self._channel or grpc.insecure_channel(f"{HOST}:{self.port}")
        return self._channel.unary_unary(
            f"/{method}", request_serializer=type(request).SerializeToString, response_deserializer=answer.FromString
        )(request, timeout=seconds)

    def reload(self, text: str, seconds: float = 30.0) -> Any:
        request = message_class("tensorflow.serving.ReloadConfigRequest")(config=config_message(text))
        method = "tensorflow.serving.ModelService/HandleReloadConfigRequest"
        return self.call(method, request, message_class("tensorflow.serving.ReloadConfigResponse"), seconds)

    def wait_for_exit(self) -> int:
        return self.child.wait(PATIENCE)

    def stop(self) -> None:
        if self._channel:
            self._channel.close()
        if self.child.poll() is None:
            self.child.send_signal(signal.SIGKILL)
            self.child.wait(PATIENCE)


@contextlib.contextmanager
def serving(directory: Path, *flags: str, port: int = 0, rest_port: int = 0) -> Iterator[ServerProcess]:
    server = ServerProcess(directory, *flags, port=port, rest_port=rest_port)
    try:
        yield server
    finally:
        server.stop()
