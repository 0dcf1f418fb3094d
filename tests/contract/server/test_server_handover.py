"""SIGTERM under load: requests under way are answered, later ones go to the server that shares the ports."""

from __future__ import annotations

import contextlib
import http.client
import select
import signal
import subprocess
import sys
import threading
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path

import grpc
from contract.server.server_process import HOST, MODELS, free_port, serving, until
from contract.server.small_server import METHOD
from support.traffic import RETRIES

from deployer.savedmodel.messages import message_class

HALF = ("--model_name=m", f"--model_base_path={MODELS / 'half_plus_two'}", "--reuse_port=true")
HANDOVERS = 10
PAUSE = 0.005
IDLE = 40
GOOD = {"rest (200, False)", "rpc True"}
CHANNEL = [("grpc.use_local_subchannel_pool", 1), ("grpc.service_config", RETRIES)]
Asks = contextlib.AbstractContextManager[Callable[[], object]]


@contextlib.contextmanager
def rest(port: int, path: str = "/", body: str | None = None) -> Iterator[Callable[[], object]]:
    """A client on one REST connection; it asks on another one when the server closes that."""
    connection = http.client.HTTPConnection(HOST, port, timeout=60)

    def ask() -> object:
        connection.request("POST" if body else "GET", path, body=body)
        answer = connection.getresponse()
        return answer.status, b"error" in answer.read()

    with contextlib.closing(connection):
        yield ask


@contextlib.contextmanager
def rpc(port: int, method: str = METHOD, request: bytes = b"") -> Iterator[Callable[[], object]]:
    """A client on one gRPC channel, which tries again what a server that stops has cancelled or not accepted."""
    with grpc.insecure_channel(f"{HOST}:{port}", CHANNEL) as channel:
        call = channel.unary_unary(method)
        yield lambda: bool(call(request, timeout=60, wait_for_ready=True))


class Clients:
    """Threads that ask again and again: some with a new connection each time, some on one as long as it is kept."""

    def __init__(self, **kinds: Callable[[], Asks]) -> None:
        self.answers: Counter[str] = Counter()
        self._over = threading.Event()
        self._threads = [
            threading.Thread(target=self._run, args=(name, kind, keeps))
            for name, kind in kinds.items()
            for keeps in (False, False, True)
        ]

    def __enter__(self) -> Clients:
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._over.set()
        for thread in self._threads:
            thread.join(60)

    def _run(self, name: str, kind: Callable[[], Asks], keeps: bool) -> None:
        while not self._over.wait(PAUSE):
            try:
                with kind() as ask:
                    self.answers[f"{name} {ask()}"] += 1
                    while keeps and not self._over.wait(PAUSE):
                        self.answers[f"{name} {ask()}"] += 1
            except (OSError, http.client.HTTPException) as error:
                self.answers[f"{name} {type(error).__name__}"] += 1
            except grpc.RpcError as error:
                self.answers[f"{name} {error.code().name} {error.details()}"] += 1


def settled(clients: Clients, more: int) -> None:
    """Wait until every kind of client has had so many more good answers."""
    goals = {name: clients.answers[name] + more for name in GOOD}
    until(lambda: all(clients.answers[name] >= goal for name, goal in goals.items()))


def predict_request() -> bytes:
    request = message_class("tensorflow.serving.PredictRequest")()
    request.model_spec.name = "m"
    request.inputs["x"].dtype = 1
    request.inputs["x"].tensor_shape.dim.add(size=1)
    request.inputs["x"].float_val.append(0.0)
    return bytes(request.SerializeToString())


def predicting(port: int, rest_port: int) -> Clients:
    method = "/tensorflow.serving.PredictionService/Predict"
    return Clients(
        rest=lambda: rest(rest_port, "/v1/models/m:predict", '{"instances": [0.0]}'),
        rpc=lambda: rpc(port, method, predict_request()),
    )


def test_a_server_that_stops_loses_no_request_to_the_one_beside_it(tmp_path: Path) -> None:
    (tmp_path / "old").mkdir()
    (tmp_path / "new").mkdir()
    with serving(tmp_path / "old", *HALF) as old:
        old.wait_ready()
        with (
            serving(tmp_path / "new", *HALF, port=old.port, rest_port=old.rest_port) as new,
            predicting(old.port, old.rest_port) as clients,
        ):
            new.wait_ready()
            until(lambda: len(clients.answers) == 2)
            settled(clients, 100)
            old.child.send_signal(signal.SIGTERM)
            assert old.wait_for_exit() == 0
            settled(clients, 100)
        assert set(clients.answers) == GOOD


def test_a_server_alone_answers_what_is_under_way_and_refuses_the_rest(tmp_path: Path) -> None:
    with serving(tmp_path, *HALF) as server:
        server.wait_ready()
        with Clients(rest=lambda: rest(server.rest_port, "/v1/models/m:predict", '{"instances": [0.0]}')) as clients:
            until(lambda: clients.answers["rest (200, False)"] > 200)
            clients.answers.clear()
            server.child.send_signal(signal.SIGTERM)
            assert server.wait_for_exit() == 0
            until(lambda: "rest ConnectionRefusedError" in clients.answers)
        refused = {"rest ConnectionRefusedError", "rest ConnectionResetError"}
        assert set(clients.answers) <= {"rest (200, False)", *refused}


@contextlib.contextmanager
def small_server(name: str, port: int, rest_port: int) -> Iterator[subprocess.Popen[str]]:
    program = Path(__file__).with_name("small_server.py")
    command = [sys.executable, str(program), name, str(port), str(rest_port)]
    child = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
    try:
        assert child.stdout is not None
        assert child.stdout.readline() == "ready\n"
        yield child
    finally:
        child.kill()
        child.wait(60)
        child.stdout.close()


def test_no_request_is_lost_in_ten_handovers() -> None:
    """Hundreds of new connections a second to both ports, and some that are kept until their server asks them to go."""
    port, rest_port = free_port(), free_port()
    with contextlib.ExitStack() as running:
        old = running.enter_context(small_server("0", port, rest_port))
        with Clients(rest=lambda: rest(rest_port), rpc=lambda: rpc(port)) as clients:
            until(lambda: len(clients.answers) == 2)
            for number in range(1, HANDOVERS + 1):
                new = running.enter_context(small_server(str(number), port, rest_port))
                settled(clients, 10)
                old.send_signal(signal.SIGTERM)
                assert old.wait(60) == 0
                old = new
            settled(clients, 10)
        assert set(clients.answers) == GOOD
        assert min(clients.answers.values()) > HANDOVERS * 10


def test_clients_with_idle_connections_lose_nothing_when_their_server_leaves() -> None:
    """They are answered once more and asked to leave, or find their connection closed."""
    port, rest_port = free_port(), free_port()
    with contextlib.ExitStack() as running:
        old = running.enter_context(small_server("0", port, rest_port))
        kept = [running.enter_context(kept_connection(rest_port)) for _ in range(IDLE)]
        assert {ask(connection) for connection in kept[::2]} == {b"0"}
        for number in (1, 2):
            new = running.enter_context(small_server(str(number), port, rest_port))
            old.send_signal(signal.SIGTERM)
            assert {ask(connection) for connection in kept} <= {b"%d" % (number - 1), b"%d" % number}
            assert old.wait(60) == 0
            assert {ask(connection) for connection in kept} == {b"%d" % number}
            old = new


@contextlib.contextmanager
def kept_connection(port: int) -> Iterator[http.client.HTTPConnection]:
    with contextlib.closing(http.client.HTTPConnection(HOST, port, timeout=60)) as connection:
        connection.connect()
        yield connection


def ask(connection: http.client.HTTPConnection) -> bytes:
    """Ask as clients with a pool of connections do: not on one that the server has closed meanwhile."""
    if connection.sock and select.select([connection.sock], [], [], 0)[0]:
        connection.close()
    connection.request("POST", "/", b"anything")
    return connection.getresponse().read()
