"""Sends requests over HTTP/1.1 with connections that stay open, as clients do."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import Callable
from time import perf_counter
from typing import cast

from deployer.benchmark.job import Job, Payload
from deployer.benchmark.response import MalformedResponse, ResponseReader
from deployer.benchmark.senders import BROKEN, DEADLINE, INVALID, MAX_EXAMPLE, REFUSED, UNREACHABLE, Answer, Finished
from deployer.client import access

SWEEP_SECONDS = 0.05
"""How often requests are looked for that have passed their deadline."""
OK = 200


class RestSender:
    """Uses the connection that was free last, and opens another one where none is."""

    def __init__(self, job: Job, loop: asyncio.AbstractEventLoop) -> None:
        self._job, self._loop = job, loop
        self._tls = access.tls_context(job.address.gateway)
        self._idle: list[Connection] = []
        self._open: set[Connection] = set()
        self._connecting: set[asyncio.Task[None]] = set()
        self._sweep = loop.call_later(SWEEP_SECONDS, self._expire)

    def send(self, payload: Payload, finished: Finished) -> None:
        """Send a request."""
        while self._idle:
            connection = self._idle.pop()
            if connection.is_fresh():
                connection.ask(payload.data, finished)
                return
            connection.close()
        task = self._loop.create_task(self._connect(payload, finished))
        self._connecting.add(task)
        task.add_done_callback(self._connecting.discard)

    def close(self) -> None:
        """Close all connections."""
        self._sweep.cancel()
        for task in self._connecting:
            task.cancel()
        for connection in tuple(self._open):
            connection.close()

    async def _connect(self, payload: Payload, finished: Finished) -> None:
        address = self._job.address
        try:
            connecting = self._loop.create_connection(
                lambda: Connection(self._idle.append, self._open),
                address.host,
                address.port,
                ssl=self._tls,
                server_hostname=address.host if self._tls else None,
            )
            _, connection = await asyncio.wait_for(connecting, self._job.deadline)
        except asyncio.TimeoutError:
            finished(Answer(b"", DEADLINE, f"no connection within {self._job.deadline:g} s"))
        except (OSError, ssl.SSLError) as error:
            kind = REFUSED if isinstance(error, ConnectionRefusedError) else UNREACHABLE
            finished(Answer(b"", kind, str(error)[:MAX_EXAMPLE]))
        else:
            connection.ask(payload.data, finished)

    def _expire(self) -> None:
        self._sweep = self._loop.call_later(SWEEP_SECONDS, self._expire)
        latest = perf_counter() - self._job.deadline
        for connection in tuple(self._open):
            if connection.asked_before(latest):
                connection.end(Answer(b"", DEADLINE, f"no answer within {self._job.deadline:g} s"))


class Connection(asyncio.Protocol):
    """A connection, for one request at a time; `free` is called with it when it takes the next one."""

    def __init__(self, free: Callable[[Connection], None], opened: set[Connection]) -> None:
        self._free, self._opened = free, opened
        self._reader = ResponseReader()
        self._finished: Finished | None = None
        self._asked = 0.0
        self._transport: asyncio.Transport | None = None

    def ask(self, data: bytes, finished: Finished) -> None:
        """Send a request."""
        self._asked = perf_counter()
        self._finished = finished
        if self._transport is None:
            asyncio.get_running_loop().call_soon(self.end, Answer(b"", BROKEN, "the server closed the connection"))
        else:
            self._transport.write(data)

    def is_fresh(self) -> bool:
        """Return whether it is open, and not idle for so long that the server may be closing it."""
        return self._transport is not None and perf_counter() - self._asked < access.IDLE_SECONDS

    def asked_before(self, time: float) -> bool:
        """Return whether it waits for the answer to a request from before then."""
        return self._finished is not None and self._asked < time

    def close(self) -> None:
        """Close it; a request that is under way is dropped."""
        self._finished = None
        self._opened.discard(self)
        if self._transport is not None:
            self._transport.abort()
            self._transport = None

    def end(self, answer: Answer) -> None:
        """End the request that is under way with a failure, and close the connection."""
        finished = self._finished
        self.close()
        if finished is not None:
            finished(answer)

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Keep the transport."""
        self._transport = cast("asyncio.Transport", transport)
        self._opened.add(self)

    def connection_lost(self, exc: Exception | None) -> None:
        """End the request that is under way, if there is one."""
        self._transport = None
        self.end(Answer(b"", BROKEN, str(exc or "the server closed the connection")[:MAX_EXAMPLE]))

    def data_received(self, data: bytes) -> None:
        """Read a part of a response."""
        try:
            response = self._reader.feed(data)
        except MalformedResponse as error:
            self.end(Answer(b"", INVALID, str(error)[:MAX_EXAMPLE]))
            return
        if response is None:
            return
        finished, self._finished = self._finished, None
        if response.reusable and finished is not None:
            self._free(self)
        else:
            self.close()
        if finished is not None:
            finished(_answer(response.status, response.body))


def _answer(status: int, body: bytes) -> Answer:
    if status == OK:
        return Answer(body)
    return Answer(b"", f"HTTP {status}", body[:MAX_EXAMPLE].decode(errors="replace"))
