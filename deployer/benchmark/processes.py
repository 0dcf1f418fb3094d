"""The processes that generate load, as the command sees them. The command itself sends nothing: it may be busy."""

from __future__ import annotations

import dataclasses
import math
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from multiprocessing.connection import Pipe
from typing import Any

from deployer.benchmark.job import READY, STOP, Job, Measured, Stage
from deployer.errors import DeployerError
from deployer.results.progress import DONE, Meter, Phase, Progress

BOOTSTRAP = """
import sys
sys.path[:] = {path!r}
from deployer.benchmark.worker import main
main({descriptor})
"""
HEAD_START_SECONDS = 0.05
"""A stage begins so long after its jobs are sent: all processes have theirs by then."""
POLL_SECONDS = 0.1
START_SECONDS = 60.0
STOP_SECONDS = 2.0
EXIT_SECONDS = 2.0


class Worker:
    """A process of the load generator, with the pipe to it."""

    def __init__(self) -> None:
        self.pipe, other_end = Pipe()
        start = BOOTSTRAP.format(path=[*map(str, sys.path)], descriptor=other_end.fileno())
        environment = {**os.environ, "GRPC_VERBOSITY": "NONE"}
        self._process = subprocess.Popen(
            [sys.executable, "-c", start],
            stdin=subprocess.DEVNULL,
            pass_fds=[other_end.fileno()],
            env=environment,
            start_new_session=True,  # Ctrl-C is for the command, which then stops the stage
        )
        other_end.close()

    def wait(self) -> None:
        """Wait until it takes jobs. Raises DeployerError."""
        if not self.pipe.poll(START_SECONDS) or self._receive() != READY:
            raise self.ended_error("it did not start")

    def receive(self) -> Measured:
        """Return what it saw of its job. Raises DeployerError when it has ended."""
        seen: Measured = self._receive()
        return seen

    def _receive(self) -> Any:
        try:
            return self.pipe.recv()
        except (EOFError, OSError) as error:
            raise self.ended_error(repr(error)) from error

    def ended_error(self, reason: str) -> DeployerError:
        """Return the error for a process that has ended before its time."""
        return DeployerError(f"a process of the load generator failed: {reason}", hint="run the command again")

    def end(self) -> None:
        """End the process."""
        self.pipe.close()
        try:
            self._process.wait(EXIT_SECONDS)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait(EXIT_SECONDS)


class Workers:
    """All processes of a benchmark. A stage is divided among them."""

    def __init__(self, count: int) -> None:
        self.all = [Worker() for _ in range(count)]
        for worker in self.all:
            worker.wait()

    def measure(self, job: Job, progress: Progress) -> Measured:
        """Run a stage, and return what all processes saw of it. Raises DeployerError when one of them has ended."""
        stage = job.stage
        began = time.perf_counter() + HEAD_START_SECONDS
        for worker, part in zip(self.all, _parts(job, len(self.all)), strict=False):
            _send(worker, (part, began))
        self._busy = self.all[: stage.clients]
        self._wait(stage, began, job.deadline, progress)
        return _merged(worker.receive() for worker in self._busy)

    def stop(self) -> Measured:
        """End the stage that is under way, and return what was seen of it."""
        for worker in self._busy:
            _send(worker, STOP)
        deadline = time.monotonic() + STOP_SECONDS
        seen = [each.receive() for each in self._busy if each.pipe.poll(max(0.0, deadline - time.monotonic()))]
        return _merged(iter(seen))

    def _wait(self, stage: Stage, began: float, deadline: float, progress: Progress) -> None:
        action, length = f"measuring {stage}", stage.warmup + stage.seconds
        progress(Phase(action, 0))
        meter = Meter(action, progress)
        limit = began + length + 2 * deadline + EXIT_SECONDS
        for worker in self._busy:
            while not worker.pipe.poll(POLL_SECONDS):
                now = time.perf_counter()
                meter.reach(min(DONE - 1, math.floor(DONE * max(0.0, now - began) / length)))
                if now > limit:
                    raise DeployerError("the load generator does not end", hint="start it again with a lower rate")


@contextmanager
def started(count: int) -> Iterator[Workers]:
    """Start processes of the load generator, and end them afterwards."""
    workers = Workers(count)
    try:
        yield workers
    finally:
        for worker in workers.all:
            worker.end()


def _parts(job: Job, count: int) -> Iterator[Job]:
    """Yield the part of each process that has clients to run."""
    used = min(count, job.clients)
    for number in range(used):
        clients = job.clients // used + (number < job.clients % used)
        yield dataclasses.replace(job, clients=clients, first=number, step=used)


def _send(worker: Worker, message: object) -> None:
    try:
        worker.pipe.send(message)
    except OSError as error:
        raise worker.ended_error(repr(error)) from error


def _merged(seen: Iterator[Measured]) -> Measured:
    whole = Measured()
    for each in seen:
        whole.merge(each)
    return whole
