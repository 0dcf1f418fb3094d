"""One client's connection: whole requests to the application, answers back in their order, and nothing for ever."""

from __future__ import annotations

import asyncio
import collections
import time
from collections.abc import Callable
from email.utils import formatdate
from functools import partial

from deployer.server.http.message import Reply, Request, head, head_1_0, html
from deployer.server.http.reader import Bodies, Limits, Refused, RequestReader

Application = Callable[[Request], "Reply | asyncio.Future[Reply]"]
_JOINED = 1 << 16
_LEAST_BYTES_PER_SECOND = 1024
_LINGER_SECONDS = 2.0
_LIKELY_IDLE_SECONDS = 1.0
_LAST_CHANCE_SECONDS = 0.25
_HANDOVER_IDLE_SECONDS = 2.0
_FOR_EVER = float("inf")


class ServerState:
    """What all connections of a server share."""

    def __init__(self, application: Application, limits: Limits) -> None:
        self.application = application
        self.limits = limits
        self.bodies = Bodies(limits.bodies_bytes)
        self.connections: set[Connection] = set()
        self.draining = False
        self.beside_another = False
        self.date = b""
        self.tick()

    def drain(self, beside_another: bool) -> None:
        """From now on each answer is its connection's last; a client that asks when it has just been closed loses one.

        Where another process goes on at the address nobody waits for this one's end: clients get longer to ask.
        """
        self.draining, self.beside_another = True, beside_another

    def tick(self) -> None:
        """Set the clock that answers carry, and end what takes too long; to be called a few times a second."""
        self.date = formatdate(usegmt=True).encode()
        now = time.monotonic()
        for connection in list(self.connections):
            connection.check(now)


class Connection(asyncio.Protocol):
    """Reads, answers and ends; all of it on the event loop's thread.

    A connection that hears no more (`_reading_done`) still sends the answers that are due, then `_refusal`, and ends.
    """

    def __init__(self, traffic: ServerState) -> None:
        self._server = traffic
        self._reader = RequestReader(traffic.limits, traffic.bodies, self._take, self._go_on)
        self._pending: collections.deque[Request] = collections.deque()
        self._refusal: Reply | None = None
        self._answering = self._reading_done = self._full = self._paused = self._lingers = self._retired = False
        self._unsent = 0
        self._since = time.monotonic()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Called by the event loop."""
        self._transport: asyncio.Transport = transport  # type: ignore[assignment]
        self._server.connections.add(self)
        if len(self._server.connections) > self._server.limits.connections:
            self._refuse(503)

    def connection_lost(self, _: Exception | None) -> None:
        """Called by the event loop."""
        self._server.connections.discard(self)
        self._reader.close()
        self._drop_pending()

    def data_received(self, data: bytes) -> None:
        """Called by the event loop."""
        if self._reading_done:
            return
        if not self._reader.begun:
            self._since = time.monotonic()
        try:
            self._reader.feed(data)
        except Refused as refused:
            self._refuse(refused.status)
        self._throttle()

    def eof_received(self) -> bool:
        """Called by the event loop; a client that only stops to send still gets its answers."""
        self._reading_done = True
        return bool(self._answering or self._pending) and not self._lingers

    def pause_writing(self) -> None:
        """Called by the event loop: the client does not take what was written."""
        self._full = True

    def resume_writing(self) -> None:
        """Called by the event loop."""
        self._full = False
        self._advance()
        self._throttle()

    def check(self, now: float) -> None:
        """End the connection when nothing has moved for too long."""
        unsent = self._transport.get_write_buffer_size()
        if unsent != self._unsent:
            self._unsent, self._since = unsent, now
        if now - self._since <= self._patience():
            return
        if self._lingers or unsent:
            self._transport.abort()
        elif self._reader.begun:
            self._refuse(408)
        else:
            self._transport.close()

    def retire(self) -> None:
        """Close if no request is likely to be under way; otherwise the next answer is the last, or `check` ends it."""
        now = time.monotonic()
        self._retired = True
        if self._works():
            return
        if self._server.beside_another:
            self._since = now
        elif now - self._since > _LIKELY_IDLE_SECONDS:
            self._transport.close()

    def abort(self) -> None:
        """End now, whatever is under way."""
        self._transport.abort()

    def _works(self) -> bool:
        return bool(self._answering or self._pending or self._unsent or self._reader.begun)

    def _patience(self) -> float:
        """Seconds that the present state may last."""
        limits = self._server.limits
        if self._lingers:
            return _LINGER_SECONDS
        if self._answering and not self._unsent:
            return _FOR_EVER
        if self._works():
            return limits.request_seconds + self._reader.size / _LEAST_BYTES_PER_SECOND
        if not self._retired:
            return limits.idle_seconds
        return _HANDOVER_IDLE_SECONDS if self._server.beside_another else _LAST_CHANCE_SECONDS

    def _go_on(self) -> None:
        if not self._answering and not self._pending:
            self._transport.write(b"HTTP/1.1 100 Continue\r\n\r\n")

    def _take(self, request: Request) -> None:
        self._since = time.monotonic()
        self._pending.append(request)
        self._advance()

    def _refuse(self, status: int) -> None:
        self._reading_done = True
        self._refusal = html(status)
        self._advance()

    def _advance(self) -> None:
        """Answer what has arrived, one after the other."""
        while self._pending and not self._answering and not self._full:
            request = self._pending.popleft()
            reply = self._server.application(request)
            if isinstance(reply, Reply):
                self._send(request, reply)
            else:
                self._answering = True
                reply.add_done_callback(partial(self._answered, request))
        if self._reading_done and not self._pending and not self._answering:
            self._end()

    def _answered(self, request: Request, future: asyncio.Future[Reply]) -> None:
        self._answering = False
        failed = future.cancelled() or future.exception() is not None
        self._send(request, html(500) if failed else future.result())
        self._since = time.monotonic()
        self._advance()
        self._throttle()

    def _send(self, request: Request, reply: Reply) -> None:
        self._server.bodies.release(len(request.body))
        if self._transport.is_closing():
            return
        keeps = request.keeps and not reply.closes and not self._server.draining
        body = b"" if request.method == b"HEAD" else reply.body
        is_page = reply.closes  # which libevent sends as HTTP/1.1 whatever was asked
        plain = request.is_http_1_0 and not is_page
        self._write(head_1_0(reply, keeps) if plain else head(reply, self._server.date, keeps), body)
        if not keeps:
            self._reading_done = True
            self._drop_pending()

    def _write(self, first: bytes, body: bytes) -> None:
        if len(body) < _JOINED:
            self._transport.write(first + body)
        else:
            self._transport.writelines((first, body))

    def _drop_pending(self) -> None:
        self._server.bodies.release(sum(len(request.body) for request in self._pending))
        self._pending.clear()

    def _end(self) -> None:
        """Close; a client that was refused may still be sending, and must be able to read why."""
        if self._lingers or self._transport.is_closing():
            return
        if self._refusal is None:
            self._transport.close()
            return
        self._write(head(self._refusal, self._server.date, keeps=False), self._refusal.body)
        self._transport.write_eof()
        self._lingers = True
        self._since = time.monotonic()

    def _throttle(self) -> None:
        """Read no further ahead than to one request that waits."""
        holds = not self._lingers and (self._full or bool(self._pending))
        if holds == self._paused or self._transport.is_closing():
            return
        self._paused = holds
        if holds:
            self._transport.pause_reading()
        else:
            self._transport.resume_reading()
