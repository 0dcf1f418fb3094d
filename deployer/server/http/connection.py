"""A client's connection: passes complete requests to the application and sends replies in order, with time limits."""

from __future__ import annotations

import asyncio
import collections
import time
from collections.abc import Callable
from email.utils import formatdate
from functools import partial

from deployer.server.http.message import Reply, Request, head, head_1_0, html
from deployer.server.http.reader import BodyBudget, Limits, RequestReader, RequestRejected

Application = Callable[[Request], "Reply | asyncio.Future[Reply]"]
_JOIN_BYTES = 1 << 16
_MIN_BYTES_PER_SECOND = 1024
_LINGER_SECONDS = 2.0
_LIKELY_IDLE_SECONDS = 1.0
_RETIRED_IDLE_SECONDS = 0.25
_HANDOVER_IDLE_SECONDS = 2.0
_UNLIMITED = float("inf")


class ServerState:
    """The state that all connections of a server share."""

    def __init__(self, application: Application, limits: Limits) -> None:
        self.application = application
        self.limits = limits
        self.bodies = BodyBudget(limits.bodies_bytes)
        self.connections: set[Connection] = set()
        self.draining = False
        self.has_successor = False
        self.date = b""
        self.tick()

    def drain(self, has_successor: bool) -> None:
        """Close each connection after its next reply.

        If another process continues at the address, nothing waits for this one's end, and idle clients get more time.
        """
        self.draining, self.has_successor = True, has_successor

    def tick(self) -> None:
        """Update the Date header and end connections that exceed a limit; call it a few times per second."""
        self.date = formatdate(usegmt=True).encode()
        now = time.monotonic()
        for connection in list(self.connections):
            connection.check(now)


class Connection(asyncio.Protocol):
    """One client; all methods run on the event loop's thread.

    After `_reading_done` it sends the pending replies, then `_refusal`, and closes.
    """

    def __init__(self, server: ServerState) -> None:
        self._server = server
        self._reader = RequestReader(server.limits, server.bodies, self._enqueue, self._send_continue)
        self._pending: collections.deque[Request] = collections.deque()
        self._refusal: Reply | None = None
        self._answering = self._reading_done = self._write_blocked = self._paused = self._lingering = self._retired = (
            False
        )
        self._unsent = 0
        self._last_progress = time.monotonic()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Register the connection; refuse it if there are too many."""
        self._transport: asyncio.Transport = transport  # type: ignore[assignment]
        self._server.connections.add(self)
        if len(self._server.connections) > self._server.limits.connections:
            self._refuse(503)

    def connection_lost(self, _: Exception | None) -> None:
        """Release what the connection holds."""
        self._server.connections.discard(self)
        self._reader.close()
        self._drop_pending()

    def data_received(self, data: bytes) -> None:
        """Parse the data and handle complete requests."""
        if self._reading_done:
            return
        if not self._reader.in_request:
            self._last_progress = time.monotonic()
        try:
            self._reader.feed(data)
        except RequestRejected as rejected:
            self._refuse(rejected.status)
        self._throttle()

    def eof_received(self) -> bool:
        """Stop reading; a client that closed only its sending side still gets its replies."""
        self._reading_done = True
        return bool(self._answering or self._pending) and not self._lingering

    def pause_writing(self) -> None:
        """Stop answering until the client has read what was written."""
        self._write_blocked = True

    def resume_writing(self) -> None:
        """Continue answering."""
        self._write_blocked = False
        self._advance()
        self._throttle()

    def check(self, now: float) -> None:
        """End the connection if it made no progress for too long."""
        unsent = self._transport.get_write_buffer_size()
        if unsent != self._unsent:
            self._unsent, self._last_progress = unsent, now
        if now - self._last_progress <= self._timeout_seconds():
            return
        if self._lingering or unsent:
            self._transport.abort()
        elif self._reader.in_request:
            self._refuse(408)
        else:
            self._transport.close()

    def retire(self) -> None:
        """Close if no request is likely to be in flight; otherwise the next reply or `check` ends the connection."""
        now = time.monotonic()
        self._retired = True
        if self._is_busy():
            return
        if self._server.has_successor:
            self._last_progress = now
        elif now - self._last_progress > _LIKELY_IDLE_SECONDS:
            self._transport.close()

    def abort(self) -> None:
        """Close immediately."""
        self._transport.abort()

    def _is_busy(self) -> bool:
        return bool(self._answering or self._pending or self._unsent or self._reader.in_request)

    def _timeout_seconds(self) -> float:
        """Return how long the current state may last."""
        limits = self._server.limits
        if self._lingering:
            return _LINGER_SECONDS
        if self._answering and not self._unsent:
            return _UNLIMITED
        if self._is_busy():
            return limits.request_seconds + self._reader.size / _MIN_BYTES_PER_SECOND
        if not self._retired:
            return limits.idle_seconds
        return _HANDOVER_IDLE_SECONDS if self._server.has_successor else _RETIRED_IDLE_SECONDS

    def _send_continue(self) -> None:
        if not self._answering and not self._pending:
            self._transport.write(b"HTTP/1.1 100 Continue\r\n\r\n")

    def _enqueue(self, request: Request) -> None:
        self._last_progress = time.monotonic()
        self._pending.append(request)
        self._advance()

    def _refuse(self, status: int) -> None:
        self._reading_done = True
        self._refusal = html(status)
        self._advance()

    def _advance(self) -> None:
        """Answer pending requests in order."""
        while self._pending and not self._answering and not self._write_blocked:
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
        self._last_progress = time.monotonic()
        self._advance()
        self._throttle()

    def _send(self, request: Request, reply: Reply) -> None:
        self._server.bodies.release(len(request.body))
        if self._transport.is_closing():
            return
        keep_alive = request.keep_alive and not reply.closes_connection and not self._server.draining
        body = b"" if request.method == b"HEAD" else reply.body
        is_error_page = reply.closes_connection  # libevent sends these as HTTP/1.1 to all clients
        use_http_1_0 = request.is_http_1_0 and not is_error_page
        self._write(head_1_0(reply, keep_alive) if use_http_1_0 else head(reply, self._server.date, keep_alive), body)
        if not keep_alive:
            self._reading_done = True
            self._drop_pending()

    def _write(self, head_bytes: bytes, body: bytes) -> None:
        if len(body) < _JOIN_BYTES:
            self._transport.write(head_bytes + body)
        else:
            self._transport.writelines((head_bytes, body))

    def _drop_pending(self) -> None:
        self._server.bodies.release(sum(len(request.body) for request in self._pending))
        self._pending.clear()

    def _end(self) -> None:
        """Close; if the client was refused, wait until it can have read the reason."""
        if self._lingering or self._transport.is_closing():
            return
        if self._refusal is None:
            self._transport.close()
            return
        self._write(head(self._refusal, self._server.date, keep_alive=False), self._refusal.body)
        self._transport.write_eof()
        self._lingering = True
        self._last_progress = time.monotonic()

    def _throttle(self) -> None:
        """Pause reading while a request is waiting."""
        pause = not self._lingering and (self._write_blocked or bool(self._pending))
        if pause == self._paused or self._transport.is_closing():
            return
        self._paused = pause
        if pause:
            self._transport.pause_reading()
        else:
            self._transport.resume_reading()
