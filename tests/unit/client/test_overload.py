"""Refusals for load are asked again until a deadline, and counted; answers, right or wrong, are taken at once."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

import grpc
import numpy as np
import pytest
from support.fake_model import Served, signature
from support.fake_server import Asked, FakeServer, fake_server
from support.world import free_port

from deployer.client.client import Client
from deployer.client.encoding import ModelTarget
from deployer.client.overload import THREADS_EXHAUSTED
from deployer.errors import Overloaded, RequestFailed
from deployer.results.deployment import Endpoints

Code = grpc.StatusCode
BATCH_QUEUE = "The batch scheduling queue to which this task was submitted is full"
OVER_REST = [(429, "RESOURCE_EXHAUSTED"), (503, BATCH_QUEUE)]
OVER_GRPC = [
    (Code.RESOURCE_EXHAUSTED, THREADS_EXHAUSTED),
    (Code.UNAVAILABLE, BATCH_QUEUE),
    (Code.RESOURCE_EXHAUSTED, ""),
]
FINAL = [
    (Code.RESOURCE_EXHAUSTED, "SERVER: Received message larger than max (8 vs. 4)"),
    (Code.RESOURCE_EXHAUSTED, "the request is larger than 2048 bytes"),
    (Code.RESOURCE_EXHAUSTED, "OOM when allocating tensor with shape[1000000,1000000] and type float"),
    (Code.INVALID_ARGUMENT, THREADS_EXHAUSTED),
    (Code.NOT_FOUND, "Servable not found"),
    (Code.INTERNAL, "no"),
]


QUESTION, X = ModelTarget("m", 1, "serving_default"), {"x": np.float32([1.0, 4.0])}


def ask_states(client: Client) -> object:
    return client.states("m")


def ask_rest(client: Client) -> object:
    return client.predict_rest(QUESTION, X, signature().outputs)


def ask_grpc(client: Client) -> object:
    return client.predict_grpc(QUESTION, X)[1]


def ask_reload(client: Client) -> object:
    return client.reload("model_config_list {}")


@dataclass
class Busy:
    """A server that refuses the first `times` requests, and then answers as half_plus_two."""

    times: int
    code: Any
    text: str

    def _is_refused(self) -> bool:
        self.times -= 1
        return self.times >= 0

    def rest(self, asked: Asked) -> tuple[int, bytes]:
        if self._is_refused():
            return self.code, json.dumps({"error": self.text}).encode()
        return Served().rest(asked)

    def call(self, method: str, message: bytes, context: grpc.ServicerContext) -> bytes:
        if self._is_refused():
            context.abort(self.code, self.text)
        if "Reload" in method:
            return b""
        return Served().call(method, message, context)


@pytest.fixture(scope="module")
def running() -> Iterator[FakeServer]:
    with fake_server() as server:
        yield server


@pytest.fixture
def refusing(running: FakeServer) -> Iterator[Callable[..., Client]]:
    """Makes the server refuse so often, and a client of it."""
    clients = []

    def make(times: int, code: Any, text: str, **settings: Any) -> Client:
        busy = Busy(times, code, text)
        running.rest, running.call = busy.rest, busy.call
        clients.append(Client(running.endpoints, 20.0, **settings))
        return clients[-1]

    yield make
    for client in clients:
        client.close()
    running.forget()


@pytest.mark.parametrize("ask", [ask_states, ask_rest])
@pytest.mark.parametrize(("status", "text"), OVER_REST)
def test_what_rest_refuses_for_load_is_asked_again(refusing, ask, status, text):
    client = refusing(3, status, text)
    assert ask(client)
    assert client.retries.count == 3


@pytest.mark.parametrize("ask", [ask_grpc, ask_reload])
@pytest.mark.parametrize(("code", "text"), OVER_GRPC)
def test_what_grpc_refuses_for_load_is_asked_again(refusing, ask, code, text):
    client = refusing(3, code, text)
    ask(client)
    assert client.retries.count == 3


def test_a_refusal_that_is_no_json_is_one_for_load(refusing, running):
    client = refusing(0, 0, "")
    answers = iter([(503, b"<html>busy</html>"), (429, b""), (503, b"[")])
    running.rest = lambda asked: next(answers, None) or Served().rest(asked)
    assert ask_rest(client)
    assert client.retries.count == 3


def test_many_at_once_are_counted_together(refusing):
    client = refusing(20, Code.RESOURCE_EXHAUSTED, THREADS_EXHAUSTED)
    with ThreadPoolExecutor(8) as pool:
        assert len(list(pool.map(lambda _: ask_grpc(client), range(16)))) == 16
    assert client.retries.count == 20
    assert "thread limit" in client.retries.reason


@pytest.mark.parametrize(
    ("ask", "code", "text"),
    [(ask_rest, *OVER_REST[0]), (ask_states, *OVER_REST[1]), (ask_grpc, *OVER_GRPC[0]), (ask_reload, *OVER_GRPC[1])],
)
def test_one_that_never_stops_is_an_error_of_load_at_the_deadline(refusing, ask, code, text):
    client = refusing(1_000_000, code, text, retry_seconds=0.2)
    with pytest.raises(Overloaded) as refused:
        ask(client)
    tries = client.retries.count + 1
    assert tries > 2
    assert f"refused for load {tries} times" in refused.value.message
    assert text in refused.value.message
    assert refused.value.hint


@pytest.mark.parametrize(("code", "text"), FINAL)
def test_an_answer_over_grpc_is_taken_at_once(refusing, running, code, text):
    client = refusing(1_000_000, code, text)
    running.asked.clear()
    with pytest.raises(RequestFailed, match=code.name) as refused:
        ask_grpc(client)
    assert not isinstance(refused.value, Overloaded)
    assert client.retries.count == 0


@pytest.mark.parametrize(
    ("status", "text"), [(400, THREADS_EXHAUSTED), (404, ""), (413, ""), (500, "busy"), (504, ""), (429, FINAL[2][1])]
)
@pytest.mark.parametrize("ask", [ask_states, ask_rest])
def test_an_answer_over_rest_is_taken_at_once(refusing, ask, status, text):
    client = refusing(1_000_000, status, text)
    with pytest.raises(RequestFailed, match=str(status)) as refused:
        ask(client)
    assert not isinstance(refused.value, Overloaded)
    assert client.retries.count == 0


@pytest.mark.parametrize(("ask", "code"), [(ask_rest, 503), (ask_grpc, Code.RESOURCE_EXHAUSTED)])
def test_without_patience_the_first_refusal_is_the_answer(refusing, ask, code):
    client = refusing(1, code, THREADS_EXHAUSTED, retry_seconds=0.0)
    with pytest.raises(Overloaded, match=THREADS_EXHAUSTED) as refused:
        ask(client)
    assert "times" not in refused.value.message
    assert client.retries.count == 0


@pytest.mark.parametrize(("ask", "code"), [(ask_rest, 503), (ask_grpc, Code.UNAVAILABLE)])
def test_a_server_that_has_ended_is_not_asked_until_the_deadline(refusing, ask, code):
    client = refusing(1_000_000, code, "away", exit_reason=lambda: "its process 7 ended with exit code 1")
    with pytest.raises(RequestFailed, match="process 7 ended") as refused:
        ask(client)
    assert not isinstance(refused.value, Overloaded)
    assert client.retries.count < 20


def test_where_none_listens_it_is_no_load():
    client = Client(Endpoints("http://127.0.0.1:1", f"127.0.0.1:{free_port()}"), 20.0)
    with pytest.raises(RequestFailed, match="UNAVAILABLE") as refused:
        ask_grpc(client)
    client.close()
    assert not isinstance(refused.value, Overloaded)
    assert client.retries.count == 0
