"""A process of the load generator: it takes jobs from a pipe, and returns what it saw."""

from __future__ import annotations

import asyncio
import gc
import os
import resource
from collections.abc import Coroutine
from importlib.util import find_spec
from multiprocessing.connection import Connection
from typing import Any

from deployer.benchmark import grpc_sender, rest_sender  # noqa: F401 - imported before the first stage begins
from deployer.benchmark.generator import Generator, generate
from deployer.benchmark.job import READY, STOP, Measured

GC_THRESHOLD = 100_000
"""Python looks for garbage after so many allocations: there is hardly any, and each look delays answers."""


def main(descriptor: int) -> None:
    """Run jobs until the pipe is closed."""
    pipe = Connection(descriptor)
    _allow_many_connections()
    gc.freeze()
    gc.set_threshold(GC_THRESHOLD)
    pipe.send(READY)
    while True:
        try:
            message = pipe.recv()
        except (EOFError, OSError):
            return
        if message != STOP:  # it came too late
            pipe.send(_run(_measure(pipe, *message)))


def _allow_many_connections() -> None:
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))


async def _measure(pipe: Connection, job: Any, began: float) -> Measured:
    generators: list[Generator] = []
    loop = asyncio.get_running_loop()
    loop.add_reader(pipe.fileno(), _stop, pipe, generators)
    try:
        return await generate(job, began, generators)
    finally:
        loop.remove_reader(pipe.fileno())
        os.set_blocking(pipe.fileno(), True)  # uvloop changes that


def _stop(pipe: Connection, generators: list[Generator]) -> None:
    """Stop because the parent says so; end if there is no parent any more."""
    try:
        pipe.recv()
    except (EOFError, OSError):
        os._exit(0)
    for generator in generators:
        generator.stop()


def _run(work: Coroutine[Any, Any, Measured]) -> Measured:
    """Run on uvloop, which needs half the processor time for a request, where that is installed."""
    if find_spec("uvloop") is None:
        return asyncio.run(work)
    import uvloop

    seen: Measured = uvloop.run(work)
    return seen
