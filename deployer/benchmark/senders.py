"""Connections that send requests and tell when an answer has come, for one event loop."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import NamedTuple, Protocol

from deployer.benchmark.job import GRPC, Job, Payload

REFUSED, DEADLINE, BROKEN, INVALID, UNREACHABLE = "refused", "deadline", "connection lost", "no answer", "unreachable"
"""Kinds of failures; others are `HTTP 503` or a code of gRPC such as RESOURCE_EXHAUSTED."""
MAX_EXAMPLE = 300


class Answer(NamedTuple):
    """The answer to a request; `failure` is its kind, and empty if the request succeeded."""

    body: bytes
    failure: str = ""
    example: str = ""


Finished = Callable[[Answer], None]


class Sender(Protocol):
    """Sends each request over a connection that no other request uses."""

    def send(self, payload: Payload, finished: Finished) -> None:
        """Send a request, and call `finished` later, once and not before this returns."""
        ...

    def close(self) -> None:
        """Close all connections, and drop what is under way."""
        ...


def open_sender(job: Job, loop: asyncio.AbstractEventLoop) -> Sender:
    """Return the sender for the API of a job."""
    if job.stage.api == GRPC:
        from deployer.benchmark.grpc_sender import GrpcSender

        return GrpcSender(job, loop)
    from deployer.benchmark.rest_sender import RestSender

    return RestSender(job, loop)
