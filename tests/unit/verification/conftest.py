"""One server for all tests of the proof, which each gives its own answers."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from support.fake_server import FakeServer, fake_server
from support.proving import World

from deployer.client.client import Client
from deployer.verification import smoke


@pytest.fixture(scope="module")
def running() -> Iterator[FakeServer]:
    with fake_server() as server:
        yield server


@pytest.fixture(scope="module")
def client(running: FakeServer) -> Iterator[Client]:
    speaking = Client(running.endpoints, 5.0)
    yield speaking
    speaking.close()


@pytest.fixture
def world(tmp_path: Path, running: FakeServer, client: Client, monkeypatch: pytest.MonkeyPatch) -> Iterator[World]:
    monkeypatch.setattr(smoke, "CONCURRENT_REQUESTS", 4)  # fewer than usual, for the time that they take
    yield World(tmp_path, running, client)
    running.forget()
