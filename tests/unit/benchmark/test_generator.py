"""The load generator against a real server on loopback: schedule, latencies, failures."""

from __future__ import annotations

import dataclasses
import socket
import threading

import grpc
import pytest
from support.load_jobs import BODY, measure

from deployer.benchmark.job import GRPC, REST, Address

SECONDS = 0.5


@pytest.mark.parametrize("api", [REST, GRPC])
def test_every_request_is_sent_when_it_is_due_and_counted_once(server, job, api):
    server.call = lambda *_: b"answer"
    seen = measure(job(api, rate=100.0, clients=100))
    assert seen.sent + seen.unsent == 50
    assert seen.sent == seen.latencies.size == seen.delays.size > 0
    assert not seen.failures
    assert seen.seconds >= SECONDS
    assert seen.samples[0] == (0, b'{"predictions": [2.0]}' if api == REST else b"answer")


@pytest.mark.parametrize("api", [REST, GRPC])
def test_clients_of_the_closed_loop_ask_again_when_they_have_their_answer(server, job, api):
    server.call = lambda *_: b"answer"
    seen = measure(job(api, rate=None, clients=3))
    assert seen.sent == seen.latencies.size > 3
    assert not seen.failures
    if api == REST:
        assert len({asked.client for asked in server.asked}) == 3
        assert {asked.body for asked in server.asked} == {BODY}


def test_warm_up_is_sent_and_not_counted(server, job):
    seen = measure(job(rate=100.0, warmup=0.5))
    assert seen.sent + seen.unsent == 50
    assert seen.sent == seen.latencies.size < len(server.asked) <= 100


def test_connections_stay_open(server, job):
    measure(job(rate=50.0))
    assert len({asked.client for asked in server.asked}) <= 4 < len(server.asked)


def test_a_stall_is_in_the_latencies_of_all_requests_that_were_due_in_it(server, job):
    """A client that waits for its answer before it counts the next request would see one slow answer."""
    stalled = threading.Event()

    def stall(_):
        if not stalled.is_set():
            stalled.set()
            server.hang(SECONDS)
        return 200, b"{}"

    server.rest = stall
    seen = measure(job(rate=100.0, clients=1, seconds=2 * SECONDS))
    assert seen.latencies.size + seen.unsent == 100
    assert seen.held_back
    assert seen.latencies.largest >= SECONDS
    # Fifty requests were due in the stall, and waited half of it on average.
    assert seen.latencies.percentile(75) >= SECONDS / 4
    assert seen.latencies.mean >= SECONDS / 8


def test_requests_that_could_not_be_sent_are_said(server, job):
    server.rest = lambda _: (server.hang(0.05), (200, b"{}"))[1]
    seen = measure(job(rate=1000.0, clients=2))
    assert seen.unsent > 0
    assert seen.sent + seen.unsent == 500
    assert seen.sent == seen.latencies.size
    assert seen.held_back > 0


def test_a_backlog_of_the_warm_up_is_not_measured(server, job):
    """Else no request of the measured time would ever be sent."""
    server.rest = lambda _: (server.hang(0.02), (200, b"{}"))[1]
    seen = measure(job(rate=2000.0, clients=2, warmup=SECONDS))
    assert 0 < seen.latencies.size <= seen.sent
    assert seen.sent + seen.unsent == 1000


@pytest.mark.parametrize("rate", [50.0, None])
@pytest.mark.parametrize(
    ("status", "kind"), [(503, "HTTP 503"), (429, "HTTP 429"), (400, "HTTP 400"), (404, "HTTP 404")]
)
def test_errors_of_the_server_are_counted_by_status_and_have_no_latency(server, job, status, kind, rate):
    server.answer("why", status)
    seen = measure(job(rate=rate, seconds=0.2))
    assert set(seen.failures) == {kind}
    assert seen.examples == {kind: "why"}
    assert seen.sent == seen.failures[kind] > 0
    assert seen.latencies.size == 0


def test_one_failure_among_answers_is_one_failure(server, job):
    server.rest = lambda asked: (500, b"") if len(server.asked) == 7 else (200, b"{}")
    seen = measure(job(rate=100.0))
    assert dict(seen.failures) == {"HTTP 500": 1}
    assert seen.latencies.size == seen.sent - 1


@pytest.mark.parametrize(
    ("code", "kind"),
    [
        (grpc.StatusCode.RESOURCE_EXHAUSTED, "RESOURCE_EXHAUSTED"),
        (grpc.StatusCode.UNAVAILABLE, "connection lost"),
        (grpc.StatusCode.INVALID_ARGUMENT, "INVALID_ARGUMENT"),
    ],
)
def test_codes_of_grpc_are_counted(server, job, code, kind):
    server.call = lambda _method, _request, context: context.abort(code, "why")
    seen = measure(job(GRPC, rate=50.0, seconds=0.2))
    assert dict(seen.failures) == {kind: seen.sent}
    assert seen.examples == {kind: "why"}


@pytest.mark.parametrize("api", [REST, GRPC])
def test_an_answer_that_does_not_come_fails_at_its_deadline(server, job, api):
    server.rest = lambda _: (server.hang(), (200, b"{}"))[1]
    server.call = lambda *_: (server.hang(), b"")[1]
    seen = measure(job(api, rate=20.0, clients=100, seconds=0.2, deadline=0.2))
    assert dict(seen.failures) == {"deadline": seen.sent}
    assert seen.latencies.size == 0


@pytest.mark.parametrize("api", [REST, GRPC])
@pytest.mark.parametrize("rate", [100.0, None])
def test_a_port_without_a_server_refuses(job, api, rate):
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        whole = job(api, rate=rate, seconds=0.2)
        seen = measure(_at(whole, unused.getsockname()[1]))
    assert set(seen.failures) == {"refused"}
    assert seen.sent == seen.failures["refused"] > 0


def _at(job, port):
    return dataclasses.replace(job, address=Address("127.0.0.1", port, None))


def test_what_is_no_http_is_no_answer(server, job):
    server.raw = lambda file: file.write(b"\x00\x00\x12\x04what is this")
    seen = measure(job(rate=20.0))
    assert dict(seen.failures) == {"no answer": seen.sent}


def test_a_connection_that_is_closed_is_lost(server, job):
    server.raw = lambda file: file.write(b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nhalf")
    seen = measure(job(rate=20.0))
    assert dict(seen.failures) == {"connection lost": seen.sent}
