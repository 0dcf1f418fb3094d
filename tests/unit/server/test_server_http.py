"""The HTTP transport on a real socket: order, ends and limits. The application says what it was asked."""

from __future__ import annotations

import asyncio
import dataclasses
import select
import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack

import pytest
from support.world import eventually

from deployer.server.http import server as http_server
from deployer.server.http.connection import Connection, ServerState
from deployer.server.http.message import Reply, Request
from deployer.server.http.reader import BodyBudget, Limits, RequestReader
from deployer.server.http.server import HttpServer

HOST = "127.0.0.1"
PATIENCE = 60.0
SMALL = Limits(head_bytes=1000, body_bytes=10_000, bodies_bytes=25_000)
GET = b"GET /%b HTTP/1.1\r\nHost: h\r\n\r\n"


class Echo:
    """Answers with method, target and body; `/later` when it is told to, `/big` with a lot."""

    def __init__(self) -> None:
        self.waits: list[asyncio.Future[Reply]] = []

    def __call__(self, request: Request) -> Reply | asyncio.Future[Reply]:
        if request.target == b"/later":
            self.waits.append(asyncio.get_running_loop().create_future())
            return self.waits[-1]
        if request.target == b"/big":
            return Reply(200, bytes(30_000_000))
        return Reply(200, request.method + b" " + request.target + b" " + request.body)

    def answer_all(self) -> None:
        until(lambda: self.waits)
        for waiting in self.waits:
            waiting.get_loop().call_soon_threadsafe(waiting.set_result, Reply(200, b"at last"))


class Running:
    """A server with its application and port."""

    def __init__(self, limits: Limits) -> None:
        self.echo = Echo()
        self.http = HttpServer(self.echo, limits)
        self.bound = socket.create_server((HOST, 0))
        self.port = self.bound.getsockname()[1]
        self.http.open(self.bound)

    def connect(self) -> socket.socket:
        return socket.create_connection((HOST, self.port), timeout=PATIENCE)

    def ask(self, data: bytes) -> bytes:
        """Send bytes, and return all that comes until the server closes."""
        with self.connect() as client:
            client.sendall(data)
            return rest_of(client)

    def begin_drain(self, seconds: float) -> threading.Thread:
        draining = threading.Thread(target=self.http.close, args=(seconds,))
        draining.start()
        until(self.refuses)
        return draining

    def refuses(self) -> bool:
        with socket.socket() as client:
            return client.connect_ex((HOST, self.port)) != 0


def until(condition: Callable[[], object]) -> None:
    eventually(lambda: bool(condition()), "what the test waits for")


def rest_of(client: socket.socket) -> bytes:
    pieces = []
    while piece := client.recv(1 << 20):
        pieces.append(piece)
    return b"".join(pieces)


def bodies(answers: bytes) -> list[bytes]:
    """The bodies of answers that came one after the other."""
    found = []
    while answers:
        head, _, answers = answers.partition(b"\r\n\r\n")
        size = int(head.lower().partition(b"content-length: ")[2].split(b"\r\n")[0])
        found.append(answers[:size])
        answers = answers[size:]
    return found


@pytest.fixture
def serve(monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[..., Running]]:
    monkeypatch.setattr(http_server, "_TICK_SECONDS", 0.02)
    with ExitStack() as stack:

        def start(**limits: float) -> Running:
            running = Running(dataclasses.replace(SMALL, **limits))
            stack.callback(running.http.close, 0)
            return running

        yield start


def test_requests_of_one_connection_are_answered_in_their_order(serve: Callable[..., Running]) -> None:
    running = serve()
    with running.connect() as client:
        client.sendall(
            GET % b"one" + GET % b"later" + GET % b"two" + b"GET /three HTTP/1.1\r\nConnection: close\r\n\r\n"
        )
        running.echo.answer_all()
        assert bodies(rest_of(client)) == [b"GET /one ", b"at last", b"GET /two ", b"GET /three "]


def test_a_chunked_body_is_put_together(serve: Callable[..., Running]) -> None:
    head = b"POST /x HTTP/1.1\r\nTransfer-Encoding: chunked\r\nConnection: close\r\n\r\n"
    assert bodies(serve().ask(head + b"3\r\nabc\r\n2;ext=1\r\nde\r\n0\r\nTrailer: t\r\n\r\n")) == [b"POST /x abcde"]


def test_a_client_that_asks_first_is_told_to_go_on(serve: Callable[..., Running]) -> None:
    with serve().connect() as client:
        client.sendall(b"POST /x HTTP/1.1\r\nExpect: 100-continue\r\nContent-Length: 2\r\nConnection: close\r\n\r\n")
        assert client.recv(1000) == b"HTTP/1.1 100 Continue\r\n\r\n"
        client.sendall(b"ab")
        assert bodies(rest_of(client)) == [b"POST /x ab"]


def test_head_tells_the_length_and_sends_no_body(serve: Callable[..., Running]) -> None:
    answer = serve().ask(b"HEAD /x HTTP/1.1\r\nConnection: close\r\n\r\n")
    assert b"Content-Length: 8\r\n" in answer
    assert answer.endswith(b"\r\n\r\n")


@pytest.mark.parametrize("headers", [b"", b"Connection: close\r\n", b"Connection: TE\r\n"])
def test_http_1_0_gets_one_answer(serve: Callable[..., Running], headers: bytes) -> None:
    answer = serve().ask(b"GET /x HTTP/1.0\r\n%b\r\n" % headers * 2)
    assert answer.startswith(b"HTTP/1.0 200 OK\r\n")
    assert b"keep-alive" not in answer
    assert bodies(answer) == [b"GET /x "]


def test_http_1_0_that_asks_for_more_is_kept(serve: Callable[..., Running]) -> None:
    kept = b"POST /x HTTP/1.0\r\nConnection: Keep-Alive\r\nExpect: 100-continue\r\nContent-Length: 2\r\n\r\nab"
    answers = serve().ask(kept * 2 + b"GET /y HTTP/1.0\r\n\r\n")
    assert answers.count(b"HTTP/1.0 200 OK\r\n") == 3
    assert answers.count(b"Connection: keep-alive\r\n") == 2
    assert b"Date: " not in answers
    assert bodies(answers) == [b"POST /x ab", b"POST /x ab", b"GET /y "]


def test_an_upgrade_of_http_1_0_stays_http_1_0(serve: Callable[..., Running]) -> None:
    answers = serve().ask(b"GET /x HTTP/1.0\r\nConnection: Upgrade\r\nUpgrade: h2c\r\n\r\n" * 2)
    assert answers.startswith(b"HTTP/1.0 200 OK\r\n")
    assert bodies(answers) == [b"GET /x "]


def test_an_upgrade_is_not_taken_and_the_request_is_answered(serve: Callable[..., Running]) -> None:
    upgrade = b"Connection: Upgrade\r\nUpgrade: h2c\r\n"
    asked = b"POST /x HTTP/1.1\r\n" + upgrade + b"Content-Length: 2\r\n\r\nab"
    answers = serve().ask(asked * 2 + b"GET /y HTTP/1.1\r\nConnection: close\r\n\r\n")
    assert bodies(answers) == [b"POST /x ab", b"POST /x ab", b"GET /y "]


def test_a_client_that_only_stops_to_send_gets_its_answer(serve: Callable[..., Running]) -> None:
    running = serve()
    with running.connect() as client:
        client.sendall(GET % b"later")
        client.shutdown(socket.SHUT_WR)
        running.echo.answer_all()
        assert bodies(rest_of(client)) == [b"at last"]


@pytest.mark.parametrize(
    ("status", "data"),
    [
        (400, b"\0\xff nothing that HTTP knows\r\n\r\n"),
        (400, b"GET /x HTTP/1.1\r\nContent-Length: -1\r\n\r\n"),
        (400, b"POST /x HTTP/1.1\r\nContent-Length: 2\r\nTransfer-Encoding: chunked\r\n\r\nab"),
        (501, b"BREW /pot HTTP/1.1\r\n\r\n"),
        (431, b"GET /x HTTP/1.1\r\nCookie: " + bytes(300_000).replace(b"\0", b"c")),
        (413, b"POST /x HTTP/1.1\r\nContent-Length: 10001\r\n\r\n"),
        (413, b"POST /x HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n" + b"1000\r\n%b\r\n" % bytes(4096) * 3),
    ],
)
def test_what_is_refused_is_reported_and_closed(serve: Callable[..., Running], status: int, data: bytes) -> None:
    running = serve()
    answer = running.ask(data)
    assert answer.startswith(b"HTTP/1.1 %d " % status)
    assert b"Connection: close\r\n" in answer
    assert bodies(running.ask(GET % b"later?" + b"GET / HTTP/1.0\r\n\r\n")) == [b"GET /later? ", b"GET / "]


def test_an_endless_trailer_is_refused(serve: Callable[..., Running]) -> None:
    with serve().connect() as client:
        client.sendall(b"POST /x HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n1\r\na\r\n0\r\nTrailer: ")
        while not select.select([client], [], [], 0.01)[0]:
            client.sendall(b"t" * 1000)
        assert rest_of(client).startswith(b"HTTP/1.1 431 ")


def test_bodies_of_all_connections_together_are_limited(serve: Callable[..., Running]) -> None:
    running = serve()
    head = b"POST /later HTTP/1.1\r\nContent-Length: 10000\r\n\r\n"
    with running.connect() as first, running.connect() as second:
        for client in (first, second):
            client.sendall(head + bytes(10_000))
        until(lambda: len(running.echo.waits) == 2)
        assert running.ask(head + bytes(10_000)).startswith(b"HTTP/1.1 503 ")
        running.echo.answer_all()
        assert first.recv(1000).endswith(b"at last")
        assert second.recv(1000).endswith(b"at last")
        running.echo.waits.clear()
        first.sendall(head + bytes(10_000))
        running.echo.answer_all()
        assert first.recv(1000).endswith(b"at last")


def test_one_connection_too_many_is_reported(serve: Callable[..., Running]) -> None:
    running = serve(connections=2)
    with running.connect() as first, running.connect() as second:
        for client in (first, second):
            client.sendall(GET % b"x")
            assert client.recv(1000).startswith(b"HTTP/1.1 200 ")
        assert running.ask(b"").startswith(b"HTTP/1.1 503 ")
    until(lambda: running.ask(b"GET / HTTP/1.0\r\n\r\n").startswith(b"HTTP/1.0 200 "))


@pytest.mark.parametrize("begun", [b"GET / HTT", b"POST / HTTP/1.1\r\nContent-Length: 5\r\n\r\nab"])
def test_a_request_that_never_ends_is_ended(serve: Callable[..., Running], begun: bytes) -> None:
    assert serve(request_seconds=0.2).ask(begun).startswith(b"HTTP/1.1 408 ")


def test_an_idle_connection_is_closed(serve: Callable[..., Running]) -> None:
    running = serve(idle_seconds=0.2)
    assert running.ask(b"") == b""
    assert bodies(running.ask(GET % b"x")) == [b"GET /x "]


def test_a_client_that_does_not_take_its_answer_is_cut_off(serve: Callable[..., Running]) -> None:
    running = serve(request_seconds=0.2)
    with running.connect() as client:
        client.sendall(GET % b"big" * 3)
        client.recv(1)
        until(lambda: not running.http._server.connections)
        assert len(rest_of(client)) < 30_000_000


def test_a_slow_taker_of_large_answers_gets_all(serve: Callable[..., Running]) -> None:
    with serve().connect() as client:
        client.sendall(GET % b"big" * 2 + b"GET / HTTP/1.0\r\n\r\n")
        begun = client.recv(1)  # the rest is more than the buffers of both sides hold
        assert [len(body) for body in bodies(begun + rest_of(client))] == [30_000_000, 30_000_000, 6]


def test_a_drain_finishes_what_is_under_way_and_refuses_the_rest(serve: Callable[..., Running]) -> None:
    running = serve()
    with running.connect() as idle, running.connect() as begun, running.connect() as busy:
        begun.sendall(b"POST /x HTTP/1.1\r\nContent-Length: 2\r\n\r\na")
        busy.sendall(GET % b"later")
        until(lambda: running.echo.waits)
        draining = running.begin_drain(PATIENCE)
        assert rest_of(idle) == b""
        begun.sendall(b"b")
        running.echo.answer_all()
        for client, body in ((begun, b"POST /x ab"), (busy, b"at last")):
            answer = rest_of(client)
            assert b"Connection: close\r\n" in answer
            assert bodies(answer) == [body]
        draining.join(PATIENCE)
        assert not draining.is_alive()


class Wire(asyncio.Transport):
    """Takes what is written."""

    closed = False

    def write(self, data: bytes) -> None:
        assert not self.closed

    def close(self) -> None:
        self.closed = True

    def is_closing(self) -> bool:
        return self.closed

    def get_write_buffer_size(self) -> int:
        return 0


@pytest.mark.parametrize("idle_seconds", [0.0, 30.0])
@pytest.mark.parametrize("has_successor", [True, False])
def test_a_client_that_is_slow_to_ask_again_is_waited_for_where_another_server_goes_on(
    has_successor: bool, idle_seconds: float
) -> None:
    traffic = ServerState(lambda _: Reply(200, b""), Limits())
    connection, wire = Connection(traffic), Wire()
    connection.connection_made(wire)
    connection.data_received(GET % b"x")
    connection._last_progress -= idle_seconds
    traffic.drain(has_successor)
    connection.check(time.monotonic())
    assert not wire.closed  # ports are still being closed
    connection.retire()
    connection.check(connection._last_progress + 1.5)
    assert wire.closed is not has_successor
    connection.check(connection._last_progress + 3)
    assert wire.closed


def test_a_drain_ends_in_time_whatever_is_still_connected(serve: Callable[..., Running]) -> None:
    running = serve()
    with running.connect() as busy:
        busy.sendall(GET % b"later")
        until(lambda: running.echo.waits)
        draining = running.begin_drain(0.1)
        draining.join(PATIENCE)
        assert not draining.is_alive()
        assert rest_of(busy) == b""


def test_a_connection_that_waits_to_be_accepted_is_answered_when_the_port_closes(serve: Callable[..., Running]) -> None:
    """The event loop is held up meanwhile, so that the connections stay in the queue of the port."""
    running = serve()
    held, let_go = threading.Event(), threading.Event()

    def hold() -> None:
        held.set()
        let_go.wait(PATIENCE)

    running.http._loop.call_soon_threadsafe(hold)
    held.wait(PATIENCE)
    clients = [running.connect() for _ in range(50)]
    for client in clients:
        client.sendall(GET % b"x")
    draining = threading.Thread(target=running.http.close, args=(PATIENCE,))
    draining.start()
    let_go.set()
    for client in clients:
        with client:
            assert bodies(rest_of(client)) == [b"GET /x "]
    draining.join(PATIENCE)
    assert not draining.is_alive()


def test_requests_that_come_together_are_not_taken_for_one_with_a_long_head() -> None:
    taken: list[Request] = []
    reader = RequestReader(SMALL, BodyBudget(SMALL.bodies_bytes), taken.append, lambda: None)
    together = b"".join(GET % str(number).encode() for number in range(100))
    assert len(together) > SMALL.head_bytes
    reader.feed(together[:9])
    reader.feed(together[9:-9])
    reader.feed(together[-9:])
    assert [request.target for request in taken] == [f"/{number}".encode() for number in range(100)]


def test_requests_that_come_together_are_all_answered(serve: Callable[..., Running]) -> None:
    last = GET.replace(b"\r\n\r\n", b"\r\nConnection: close\r\n\r\n") % b"last"
    answers = serve().ask(GET % b"one" * 3000 + last)
    assert answers.count(b"HTTP/1.1 200 OK") == 3001
    assert answers.endswith(b"GET /last ")
