"""The processes of the load generator: they share a stage, stop when they are told, and their end is noticed."""

from __future__ import annotations

import os
import signal
import threading

import psutil
import pytest

from deployer.benchmark import processes
from deployer.errors import DeployerError
from deployer.results.progress import Phase


def test_processes_share_the_requests_of_a_stage(job, server):
    events = []
    with processes.started(2) as workers:
        seen = workers.measure(job(rate=101.0, clients=5, seconds=1.0), events.append)
        again = workers.measure(job(rate=None, clients=1), events.append)
    assert seen.sent + seen.unsent == 101
    assert seen.sent == seen.latencies.size
    assert not seen.failures
    assert again.latencies.size > 0
    assert len({asked.client for asked in server.asked}) >= 2
    assert events[0] == Phase("measuring REST at 101 requests/s", 0)
    assert {event.action for event in events} == {"measuring REST at 101 requests/s", "measuring REST with 1 client"}


class Interrupt(BaseException):
    pass


def test_a_stage_that_is_stopped_has_what_was_seen_of_it(job, server):
    def interrupt(_):
        if len(server.asked) > 20:
            raise Interrupt

    with processes.started(1) as workers:
        with pytest.raises(Interrupt):
            workers.measure(job(rate=100.0, seconds=60.0), interrupt)
        seen = workers.stop()
        assert 0 < seen.latencies.size < 6000
        assert 0 < seen.seconds < 60
        assert workers.measure(job(rate=100.0), lambda _: None).sent > 0


def test_a_process_that_dies_is_an_error_and_not_a_wait(job):
    with processes.started(1) as workers:
        (child,) = (each for each in psutil.Process().children() if "benchmark.worker" in " ".join(each.cmdline()))
        threading.Timer(0.5, os.kill, (child.pid, signal.SIGKILL)).start()
        with pytest.raises(DeployerError, match="load generator failed"):
            workers.measure(job(seconds=60.0), lambda _: None)


def test_no_process_is_left(job):
    with processes.started(2):
        children = [each for each in psutil.Process().children() if "benchmark.worker" in " ".join(each.cmdline())]
        assert len(children) == 2
    assert not any(child.is_running() for child in children)
