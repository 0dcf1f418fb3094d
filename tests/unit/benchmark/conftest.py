"""A server on loopback, and jobs of the load generator for it."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest
from support.fake_server import FakeServer, fake_server
from support.load_jobs import PREDICT, REQUEST

from deployer.benchmark.job import REST, Job, Payload, Stage
from deployer.benchmark.questions import addresses


@pytest.fixture(scope="module")
def running() -> Iterator[FakeServer]:
    with fake_server() as server:
        yield server


@pytest.fixture
def server(running: FakeServer) -> Iterator[FakeServer]:
    running.answer({"predictions": [2.0]})
    yield running
    running.forget()


@pytest.fixture
def job(server: FakeServer) -> Callable[..., Job]:
    """Makes a job for the server: half a second at 200 requests a second, unless a test says otherwise."""

    def make(api: str = REST, *, deadline: float = 5.0, **stage: float | None) -> Job:
        wanted = {"rate": 200.0, "clients": 4, "warmup": 0.0, "seconds": 0.5} | stage
        payload = Payload(REQUEST) if api == REST else Payload(b"question", PREDICT)
        planned = Stage(api, **wanted)
        return Job(planned, addresses(server.endpoints, None)[api], (payload,), deadline, planned.clients)

    return make
