"""What a gateway costs a request, against a port published by Docker and the bare container; asked in turn, in one run.

DEPLOYER_TEST_IMAGE names the server's image, DEPLOYER_TEST_GATEWAY_IMAGE HAProxy's; else the testbed makes it.
"""

from __future__ import annotations

import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from http.client import HTTPConnection
from pathlib import Path

import grpc
import numpy as np
from measure import DEPLOYER, process

from deployer.savedmodel import tensors
from deployer.savedmodel.messages import message_class

ROUNDS = 3000
WARM = 300
IMAGE = os.environ.get("DEPLOYER_TEST_IMAGE", "")
TESTBED = Path(__file__).parents[1] / "docker" / "testbed" / "testbed.sh"
MODELS = str(Path(__file__).with_name("models.py"))
BARE, PUBLISHED, GATED = "the bare container", "a port published by Docker", "the gateway"
PREDICT = "/tensorflow.serving.PredictionService/Predict"
SETTINGS = """
engine = "docker"
[docker]
image = "{image}"
[server]
rest_port = 0
grpc_port = 0
[env.gated.gateway]
enabled = true
image = "{gateway}"
"""
Ask = Callable[[], object]


def main() -> None:
    """One table for each protocol."""
    if not IMAGE:
        print("\n### Gateway\n\nleft out: DEPLOYER_TEST_IMAGE names no image (docker/testbed/testbed.sh makes one)")
        return
    with tempfile.TemporaryDirectory() as name:
        directory = Path(name)
        directory.chmod(0o755)
        (directory / "deployer.toml").write_text(SETTINGS.format(image=IMAGE, gateway=gateway_image()))
        process(sys.executable, MODELS, "half", str(directory / "made"), "1")()
        process(DEPLOYER, "export", str(directory / "made"), "--name", "half", cwd=directory)()
        try:
            for env in ("local", "gated"):
                process(DEPLOYER, "up", "half", "--env", env, "--engine", "docker", "-q", cwd=directory)()
            _compare("REST", rest, _addresses(directory, "rest"))
            _compare("gRPC", over_grpc, _addresses(directory, "grpc"))
        finally:
            process(DEPLOYER, "down", "--all", "--engine", "docker", "-q", cwd=directory)()


def gateway_image() -> str:
    """Return the name of HAProxy's image."""
    return os.environ.get("DEPLOYER_TEST_GATEWAY_IMAGE") or _said(str(TESTBED), "gateway")


def _said(*command: str, cwd: Path | None = None) -> str:
    ended = subprocess.run(command, cwd=cwd, stdout=subprocess.PIPE, text=True, check=True, timeout=600)
    return ended.stdout.strip()


def _addresses(directory: Path, protocol: str) -> dict[str, str]:
    """`host:port` of each way to a server."""
    said = json.loads(_said(DEPLOYER, "status", "--all", "--engine", "docker", "--json", cwd=directory))
    there = {found["deployment"]["env"]: found["deployment"]["endpoints"] for found in said["deployments"]}
    form = '{{(index .NetworkSettings.Networks "deployer-gated-half-slots").IPAddress}}'
    inside = _said("docker", "inspect", "--format", form, "deployer-gated-half")
    port = {"rest": 8501, "grpc": 8500}[protocol]
    return {
        BARE: f"{inside}:{port}",
        PUBLISHED: there["local"][protocol].removeprefix("http://"),
        GATED: there["gated"][protocol].removeprefix("http://"),
    }


def _compare(protocol: str, client: Callable[[str], Ask], addresses: dict[str, str]) -> None:
    clients = {name: client(address) for name, address in addresses.items()}
    took: dict[str, list[float]] = {name: [] for name in clients}
    for number in range(WARM + ROUNDS):
        for name, ask in clients.items():
            began = time.perf_counter()
            ask()
            if number >= WARM:
                took[name].append((time.perf_counter() - began) * 1e6)
    print(f"\n### {protocol} through a gateway\n")
    print("| | median | p99 | ratio | ratio of p99 |\n| --- | ---: | ---: | ---: | ---: |")
    median, late = ({name: figure(found) for name, found in took.items()} for figure in (statistics.median, _p99))
    for name in took:
        ratios = f"{median[name] / median[PUBLISHED]:.2f} | {late[name] / late[PUBLISHED]:.2f}"
        print(f"| {name} | {median[name]:.0f} µs | {late[name]:.0f} µs | {ratios} |", flush=True)


def _p99(found: list[float]) -> float:
    return statistics.quantiles(found, n=100)[98]


def rest(address: str) -> Ask:
    """Over one connection."""
    connection = HTTPConnection(address, timeout=30)
    body = json.dumps({"instances": [1.0]})

    def ask() -> None:
        connection.request("POST", "/v1/models/half:predict", body, {"Content-Type": "application/json"})
        answer = connection.getresponse()
        if answer.status != 200:
            sys.exit(f"{address} answered {answer.status}: {answer.read()!r}")
        answer.read()

    return ask


def over_grpc(address: str) -> Ask:
    """Over one channel."""
    request = message_class("tensorflow.serving.PredictRequest")()
    request.model_spec.name = "half"
    request.inputs["x"].CopyFrom(tensors.to_proto(np.float32([1])))
    channel = grpc.insecure_channel(address)
    call = channel.unary_unary(
        PREDICT, type(request).SerializeToString, message_class("tensorflow.serving.PredictResponse").FromString
    )
    return lambda: call(request, timeout=30)
