"""Serve HTTP on any number of ports with one event loop in a thread, and close without losing requests."""

from __future__ import annotations

import asyncio
import socket
import threading
import time
from collections.abc import Coroutine
from typing import Any, TypeVar

from deployer.server.http.connection import Application, Connection, ServerState
from deployer.server.http.reader import Limits
from deployer.server.http.socket_handover import SocketOffer, offer_socket
from deployer.server.log import LOG

T = TypeVar("T")
BACKLOG = 2048
_TICK_SECONDS = 0.5
_POLL_SECONDS = 0.02
_HANDSHAKE_SECONDS = 0.005
_RECOVERY_SECONDS = 0.1
_GRACE_SECONDS = 10.0


class HttpServer:
    """Serves one application on any number of ports."""

    def __init__(self, application: Application, limits: Limits) -> None:
        self._server = ServerState(application, limits)
        self._bound: list[socket.socket] = []
        self._offers: list[SocketOffer] = []
        self._accepting: set[asyncio.Task[None]] = set()
        self._loop = _new_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name="rest", daemon=True)

    def open(self, bound: socket.socket) -> None:
        """Serve on a bound socket; return when connections are accepted."""
        if not self._thread.is_alive():
            self._thread.start()
            self._loop.call_soon_threadsafe(self._tick)
        self._run(self._open(bound), _GRACE_SECONDS)

    def close(self, seconds: float) -> None:
        """Stop accepting and wait for requests in flight, for `seconds` at most.

        If another process continues at the port, idle clients get more time for their next request.
        """
        if self._thread.is_alive():
            self._run(self._drain(seconds), seconds + _GRACE_SECONDS)

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
        if (socket_offer := offer_socket(bound)) is not None:
            self._offers.append(socket_offer)

    def _listen(self, bound: socket.socket) -> None:
        if bound in self._bound:
            self._loop.add_reader(bound, self._accept, bound)

    def _accept(self, bound: socket.socket) -> None:
        """Accept all waiting clients: one per turn, as asyncio does, would let connected clients delay new ones."""
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
            self._accept_client(client)

    def _accept_client(self, client: socket.socket) -> None:
        task = self._loop.create_task(self._admit(client))
        self._accepting.add(task)
        task.add_done_callback(self._accepting.discard)

    async def _admit(self, client: socket.socket) -> None:
        try:
            client.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            await self._loop.connect_accepted_socket(self._connection, client)
        except OSError:  # the client has disconnected
            client.close()

    async def _drain(self, seconds: float) -> None:
        deadline = time.monotonic() + seconds
        self._server.drain(has_successor=any(socket_offer.has_successor for socket_offer in self._offers))
        while self._offers:
            self._offers.pop().close()
        while self._bound:
            await self._close_port(self._bound.pop())
        for connection in list(self._server.connections):
            connection.retire()
        while self._server.connections and time.monotonic() < deadline:
            await asyncio.sleep(_POLL_SECONDS)
            self._server.tick()
        for connection in list(self._server.connections):
            connection.abort()

    async def _close_port(self, bound: socket.socket) -> None:
        """Close a port after accepting all clients that already connected to it."""
        self._loop.remove_reader(bound)
        self._accept(bound)
        await asyncio.sleep(_HANDSHAKE_SECONDS)
        self._accept(bound)
        self._loop.remove_reader(bound)
        bound.close()
        await asyncio.gather(*self._accepting)


def _new_loop() -> asyncio.AbstractEventLoop:
    try:
        import uvloop
    except ImportError:
        return asyncio.new_event_loop()
    loop: asyncio.AbstractEventLoop = uvloop.new_event_loop()
    return loop
