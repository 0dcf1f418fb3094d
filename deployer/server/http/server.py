"""Listening for HTTP: every port on one event loop, in a thread of its own, and closing without losing a request."""

from __future__ import annotations

import asyncio
import socket
import threading
import time
from collections.abc import Coroutine
from typing import Any, TypeVar

from deployer.server.http.connection import Application, Connection, ServerState
from deployer.server.http.passing import Offer, offer
from deployer.server.http.reader import Limits
from deployer.server.log import LOG

T = TypeVar("T")
BACKLOG = 2048
_TICK_SECONDS = 0.5
_POLL_SECONDS = 0.02
_HANDSHAKE_SECONDS = 0.005
_RECOVERY_SECONDS = 0.1
_PATIENCE_SECONDS = 10.0


class HttpServer:
    """Serves one application on any number of ports."""

    def __init__(self, application: Application, limits: Limits) -> None:
        self._server = ServerState(application, limits)
        self._bound: list[socket.socket] = []
        self._offers: list[Offer] = []
        self._arriving: set[asyncio.Task[None]] = set()
        self._loop = _new_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name="rest", daemon=True)

    def open(self, bound: socket.socket) -> None:
        """Serve on a bound socket; returns when connections are accepted."""
        if not self._thread.is_alive():
            self._thread.start()
            self._loop.call_soon_threadsafe(self._tick)
        self._run(self._open(bound), _PATIENCE_SECONDS)

    def close(self, seconds: float) -> None:
        """Accept no more, let requests under way finish, and return when that is done or the time is over.

        Where another process goes on at the port, who has a connection and asks nothing gets longer to do so.
        """
        if self._thread.is_alive():
            self._run(self._drain(seconds), seconds + _PATIENCE_SECONDS)

    def _run(self, coroutine: Coroutine[Any, Any, T], seconds: float) -> T:
        return asyncio.run_coroutine_threadsafe(coroutine, self._loop).result(seconds)

    def _connection(self) -> Connection:
        return Connection(self._server)

    def _tick(self) -> None:
        self._server.tick()
        self._loop.call_later(_TICK_SECONDS, self._tick)

    async def _open(self, bound: socket.socket) -> None:
        bound.setblocking(False)
        self._bound.append(bound)
        self._listen(bound)
        if (offered := offer(bound)) is not None:
            self._offers.append(offered)

    def _listen(self, bound: socket.socket) -> None:
        if bound in self._bound:
            self._loop.add_reader(bound, self._accept, bound)

    def _accept(self, bound: socket.socket) -> None:
        """Take in all who wait. One a turn, as the loop's own servers do, lets those who are in keep the others out."""
        for _ in range(BACKLOG):
            try:
                client, _ = bound.accept()
            except (BlockingIOError, InterruptedError, ConnectionAbortedError):
                return
            except OSError as error:
                LOG.error("No connection can be accepted: %s", error.strerror)
                self._loop.remove_reader(bound)
                self._loop.call_later(_RECOVERY_SECONDS, self._listen, bound)
                return
            self._arrive(client)

    def _arrive(self, client: socket.socket) -> None:
        arriving = self._loop.create_task(self._admit(client))
        self._arriving.add(arriving)
        arriving.add_done_callback(self._arriving.discard)

    async def _admit(self, client: socket.socket) -> None:
        try:
            client.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            await self._loop.connect_accepted_socket(self._connection, client)
        except OSError:  # it has left already
            client.close()

    async def _drain(self, seconds: float) -> None:
        end = time.monotonic() + seconds
        self._server.drain(beside_another=any(offered.taken for offered in self._offers))
        while self._offers:
            self._offers.pop().close()
        while self._bound:
            await self._shut(self._bound.pop())
        for connection in list(self._server.connections):
            connection.retire()
        while self._server.connections and time.monotonic() < end:
            await asyncio.sleep(_POLL_SECONDS)
            self._server.tick()
        for connection in list(self._server.connections):
            connection.abort()

    async def _shut(self, bound: socket.socket) -> None:
        """Close a port; who has come to it already is let in, also where another process would do so."""
        self._loop.remove_reader(bound)
        self._accept(bound)
        await asyncio.sleep(_HANDSHAKE_SECONDS)
        self._accept(bound)
        self._loop.remove_reader(bound)
        bound.close()
        await asyncio.gather(*self._arriving)


def _new_loop() -> asyncio.AbstractEventLoop:
    try:
        import uvloop
    except ImportError:
        return asyncio.new_event_loop()
    loop: asyncio.AbstractEventLoop = uvloop.new_event_loop()
    return loop
