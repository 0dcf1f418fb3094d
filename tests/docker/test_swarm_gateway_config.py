"""HAProxy reads the configuration of a Swarm's gateway in every variant, and does what it says, with one engine."""

from __future__ import annotations

import itertools
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import grpc
import pytest
import requests
from support.containers import PROJECT, docker
from support.world import eventually

from deployer.config.gateway import Gateway
from deployer.engines.docker.gateway import tls, tokens
from deployer.engines.swarm.gateway.config import GatewayConfig
from deployer.engines.swarm.gateway.service import NO_TOKENS

SERVICE, MODEL = f"{PROJECT}-servers", "half_plus_two"
GATEWAY, SERVER = f"{PROJECT}-gateway", f"{PROJECT}-server"
SECONDS = 60
CONNECTED, LISTENS = "01", "0A"
"""States of sockets in /proc/net/tcp."""

CHECKS = 4
"""More than those that take a server out."""

STATUS = '{"model_version_status": [{"version": "1", "state": "AVAILABLE"}]}'
ANSWERS = """
defaults
    mode http
    timeout client 9s
frontend server
    bind :8501
    http-request return status {status} content-type application/json lf-string '{text}'
"""


NO_ANSWER = """
defaults
    mode http
    timeout client 9s
    timeout tarpit 10m
frontend rest
    bind :8501
    http-request tarpit if {{ method POST }}
    http-request return status {status} content-type application/json lf-string '{text}'
frontend grpc
    bind :8500 proto h2
    http-request tarpit
"""
"""A server that takes requests, and answers none but those of health checks."""


@pytest.fixture
def directory(tmp_path: Path) -> Path:
    """Files that every user may read; the gateway of a Swarm mounts them as configs and secrets."""
    for each in (tmp_path, *list(tmp_path.parents)[:2]):
        each.chmod(0o755)
    known = tmp_path / "known"
    tokens.write(known, {"client": tokens.hash_token("a-token")})
    write(tmp_path / "tokens", f"{tokens.hash_token('a-token')}\n")
    write(tmp_path / "server.pem", tls.sign("node1").pem)
    return tmp_path


def write(path: Path, text: str) -> None:
    path.write_text(text)
    path.chmod(0o644)


def config(directory: Path, *, cors: bool = False, is_ingress: bool = False, **settings: object) -> None:
    gateway = Gateway(**{"enabled": True, **settings})  # type: ignore[arg-type]
    text = GatewayConfig(gateway, cors=cors, is_ingress=is_ingress).text(SERVICE, MODEL, tokens.hash_token("tool"))
    write(directory / "haproxy.cfg", text)


def haproxy(image: str, directory: Path, *arguments: str) -> list[str]:
    mount = f"type=bind,source={directory},target=/gateway,readonly"
    return ["--mount", mount, "--user", "65534", "--read-only", "--entrypoint", "haproxy", image, *arguments]


@pytest.mark.parametrize("guarded", [False, True])
@pytest.mark.parametrize(("cors", "is_ingress"), list(itertools.product([False, True], repeat=2)))
def test_haproxy_reads_every_variant(
    directory: Path, gateway_image: str, guarded: bool, cors: bool, is_ingress: bool
) -> None:
    limits = {"tls": True, "tokens": directory / "known", "max_body": "1m", "requests_per_second": 5} if guarded else {}
    config(directory, cors=cors, is_ingress=is_ingress, **limits)
    checked = docker("run", "--rm", *haproxy(gateway_image, directory, "-c", "-f", "/gateway/haproxy.cfg"))
    assert checked == "Configuration file is valid"


@pytest.fixture
def gateway(directory: Path, gateway_image: str) -> Iterator[str]:
    """The REST address of a gateway in a network without a server."""
    config(directory)
    with running_gateway(directory, gateway_image) as address:
        yield address


@contextmanager
def running_gateway(directory: Path, gateway_image: str) -> Iterator[str]:
    network = ("--network", docker("network", "create", GATEWAY))
    published = ("--publish", "127.0.0.1::8501", "--publish", "127.0.0.1::8500")
    try:
        started = haproxy(gateway_image, directory, "-db", "-f", "/gateway/haproxy.cfg")
        docker("run", "--detach", "--name", GATEWAY, *network, *published, *started)
        # Docker opens the published ports before HAProxy listens, and resets connections until then.
        eventually(lambda: all(has_socket(GATEWAY, port, LISTENS) for port in (8501, 8500)), "it listens", SECONDS)
        yield f"http://{docker('port', GATEWAY, '8501')}/v1/models/{MODEL}"
    finally:
        docker("rm", "--force", SERVER, GATEWAY)
        docker("network", "rm", GATEWAY)


def start_server(directory: Path, gateway_image: str, status: int, text: str, config: str = ANSWERS) -> None:
    """A server that answers everything so; Docker's DNS has it as the task of a service."""
    write(directory / "server.cfg", config.format(status=status, text=text))
    alias = ("--network", GATEWAY, "--network-alias", f"tasks.{SERVICE}")
    docker(
        "run",
        "--detach",
        "--name",
        SERVER,
        *alias,
        *haproxy(gateway_image, directory, "-db", "-f", "/gateway/server.cfg"),
    )


def test_a_request_waits_for_a_task(gateway: str, directory: Path, gateway_image: str) -> None:
    found: list[int] = []
    asking = threading.Thread(target=lambda: found.append(requests.get(gateway, timeout=SECONDS).status_code))
    asking.start()
    start_server(directory, gateway_image, 200, STATUS)
    asking.join(SECONDS)
    assert found == [200]


def test_a_gateway_without_a_token_refuses_every_client_and_no_tool(directory: Path, gateway_image: str) -> None:
    tokens.write(directory / "known", {})
    write(directory / "tokens", NO_TOKENS.text)
    config(directory, tokens=directory / "known")
    with running_gateway(directory, gateway_image) as address:
        start_server(directory, gateway_image, 200, STATUS)

        def answer(bearer: str) -> int:
            return requests.get(address, headers={"Authorization": f"Bearer {bearer}"}, timeout=SECONDS).status_code

        eventually(lambda: answer("tool") == 200, "the gateway lets deployer in", SECONDS)
        assert [answer(bearer) for bearer in ("a-token", NO_TOKENS.text.strip(), "no", "x")] == [401] * 4
        assert requests.get(address, timeout=SECONDS).status_code == 401


@pytest.mark.parametrize(
    ("status", "text"), [(200, STATUS.replace("AVAILABLE", "LOADING")), (500, "{}")], ids=["loading", "failing"]
)
def test_a_server_that_is_not_well_gets_no_request(
    gateway: str, directory: Path, gateway_image: str, status: int, text: str
) -> None:
    start_server(directory, gateway_image, status, text)
    eventually(lambda: requests.get(gateway, timeout=SECONDS).status_code == 503, "the gateway takes it out", SECONDS)


def test_a_server_that_answers_for_another_model_is_alive(gateway: str, directory: Path, gateway_image: str) -> None:
    start_server(directory, gateway_image, 404, '{"error": "no such model", "requests": %rt}')
    asked = itertools.count(1)

    def checked_often() -> bool:
        answer = requests.get(gateway, timeout=SECONDS)
        assert answer.status_code == 404
        return bool(answer.json()["requests"] - next(asked) > CHECKS)

    eventually(checked_often, "its health was checked", SECONDS)


def ask_rest(gateway: str) -> None:
    requests.post(gateway, json={"instances": [1.0]}, timeout=SECONDS).raise_for_status()


def ask_grpc(_: str) -> None:
    with grpc.insecure_channel(docker("port", GATEWAY, "8500")) as channel:
        channel.unary_unary("/tensorflow.serving.PredictionService/Predict")(b"", timeout=SECONDS)


@pytest.mark.parametrize(("ask", "port"), [(ask_rest, 8501), (ask_grpc, 8500)])
def test_a_request_to_a_lost_machine_ends_long_before_the_time_for_answers(
    gateway: str, directory: Path, gateway_image: str, ask: Callable[[str], None], port: int
) -> None:
    start_server(directory, gateway_image, 200, STATUS, NO_ANSWER)
    failed: list[Exception] = []

    def ask_once() -> None:
        try:
            ask(gateway)
        except Exception as error:  # noqa: BLE001 - of two libraries
            failed.append(error)

    asking = threading.Thread(target=ask_once)
    asking.start()
    eventually(lambda: all(is_connected(port) for _ in range(5)), "the server has the request", SECONDS)
    docker("network", "disconnect", "--force", GATEWAY, SERVER)
    asking.join(2 * SECONDS)
    (error,) = failed
    assert not isinstance(error, requests.Timeout)
    assert not isinstance(error, grpc.RpcError) or error.code() is grpc.StatusCode.UNAVAILABLE


def is_connected(port: int) -> bool:
    """Whether a connection to a port of the server is open; health checks close theirs at once."""
    return has_socket(SERVER, port, CONNECTED)


def has_socket(container: str, port: int, state: str) -> bool:
    """Whether a container has a TCP socket in that state on a port of its own."""
    table = docker("exec", container, "cat", "/proc/net/tcp")
    return any(line.split()[1].endswith(f":{port:04X}") and line.split()[3] == state for line in table.splitlines())
