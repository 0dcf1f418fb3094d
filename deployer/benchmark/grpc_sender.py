"""Sends gRPC calls, each over a channel that no other call uses at that moment."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import grpc

from deployer.benchmark.job import Job, Payload
from deployer.benchmark.senders import BROKEN, DEADLINE, MAX_EXAMPLE, REFUSED, Answer, Finished
from deployer.client import access
from deployer.client.client import CHANNEL_OPTIONS
from deployer.client.overload import UNREACHABLE

if TYPE_CHECKING:
    from grpc.aio import Channel


class GrpcSender:
    """Uses the channel that was free last, and opens another one where none is."""

    def __init__(self, job: Job, loop: asyncio.AbstractEventLoop) -> None:
        self._job, self._loop = job, loop
        self._address = str(job.address)
        self._metadata = access.metadata(job.address.gateway)
        self._idle: list[Channel] = []
        self._calls: set[asyncio.Task[None]] = set()

    def send(self, payload: Payload, finished: Finished) -> None:
        """Send a request."""
        task = self._loop.create_task(self._call(payload, finished))
        self._calls.add(task)
        task.add_done_callback(self._calls.discard)

    def close(self) -> None:
        """Drop what is under way; channels end with the process."""
        for task in self._calls:
            task.cancel()

    async def _call(self, payload: Payload, finished: Finished) -> None:
        gateway = self._job.address.gateway
        channel = self._idle.pop() if self._idle else access.aio_channel(self._address, gateway, CHANNEL_OPTIONS)
        try:
            call = channel.unary_unary(payload.method)
            body: bytes = await call(payload.data, timeout=self._job.deadline, metadata=self._metadata)
            answer = Answer(body)
        except grpc.RpcError as error:
            answer = _failure(error.code().name, str(error.details()))
        self._idle.append(channel)
        finished(answer)


def _failure(code: str, details: str) -> Answer:
    text = details[:MAX_EXAMPLE]
    if code == "DEADLINE_EXCEEDED":
        return Answer(b"", DEADLINE, text)
    if code == "UNAVAILABLE":
        return Answer(b"", REFUSED if UNREACHABLE.search(details) else BROKEN, text)
    return Answer(b"", code, text)
