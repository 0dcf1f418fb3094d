"""One server for all tests of the client, which each gives its own answers."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from support.fake_server import FakeServer, fake_server

from deployer.client.client import Client


@pytest.fixture(scope="module")
def running() -> Iterator[FakeServer]:
    with fake_server() as server:
        yield server


@pytest.fixture
def server(running: FakeServer) -> Iterator[FakeServer]:
    yield running
    running.forget()


@pytest.fixture
def client(server: FakeServer) -> Iterator[Client]:
    speaking = Client(server.endpoints, 5.0)
    yield speaking
    speaking.close()


@pytest.fixture
def hasty(server: FakeServer) -> Iterator[Client]:
    """A client that waits a twentieth of a second."""
    speaking = Client(server.endpoints, 0.05)
    yield speaking
    speaking.close()
