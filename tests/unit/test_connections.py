"""Connections that are kept open: used again, and made anew where the server has closed them."""

from __future__ import annotations

import gc
import warnings
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest
from support.fake_server import FakeServer, fake_server
from support.world import eventually

from deployer.connections import Connections, is_over


@pytest.fixture
def server() -> Iterator[FakeServer]:
    with fake_server() as running:
        running.answer({})
        yield running


@pytest.fixture
def connections(server: FakeServer) -> Iterator[Connections]:
    made = Connections(server.endpoints.rest, 30.0, {"X-Mine": "yes"})
    yield made
    made.close()


def ask(connections: Connections) -> tuple[int, bytes]:
    return connections.ask("POST", "/path", b"body")


def test_a_connection_is_used_again(connections):
    assert ask(connections) == (200, b"{}")
    (kept,) = connections.free
    local = kept.sock.getsockname()
    assert ask(connections) == (200, b"{}")
    assert (connections.free, kept.sock.getsockname()) == ([kept], local)


def test_one_that_the_server_has_closed_is_made_anew(server, connections):
    server.headers["Connection"] = "close"
    assert ask(connections) == (200, b"{}")
    server.headers.clear()
    assert ask(connections) == (200, b"{}")
    server.raw = lambda _: None  # the server closes without an answer
    with pytest.raises(ConnectionError):
        ask(connections)
    assert connections.free == []
    server.raw = None
    assert ask(connections) == (200, b"{}")


def test_one_that_was_closed_while_nobody_asked_is_not_asked(server, connections):
    server.raw = lambda file: file.write(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}")  # and closes then
    assert ask(connections) == (200, b"{}")
    (kept,) = connections.free
    eventually(lambda: is_over(kept), "the server has closed it", 60)
    assert ask(connections) == (200, b"{}")


def test_requests_at_once_have_a_connection_each(server, connections):
    with ThreadPoolExecutor(4) as pool:
        answers = list(pool.map(lambda _: ask(connections), range(20)))
    assert answers == [(200, b"{}")] * 20
    assert 1 <= len(connections.free) <= 4
    assert len(server.asked) == 20


def test_what_is_forgotten_is_closed(server):
    with warnings.catch_warnings():
        warnings.simplefilter("error", ResourceWarning)
        ask(Connections(server.endpoints.rest, 30.0, {}))
        gc.collect()
