"""Listening for HTTP: every port on one event loop, in a thread of its own, and closing without losing a request."""

from __future__ import annotations

import asyncio
import dataclasses
import socket
import threading
import time
from collections.abc import Coroutine
from typing import Any, TypeVar

from deployer.server import doors
from deployer.server.http_connection import Application, Connection, Traffic
from deployer.server.http_reader import Limits

T = TypeVar("T")
BACKLOG = 2048
_TICK_SECONDS = 0.5
_POLL_SECONDS = 0.02
_HANDSHAKE_SECONDS = 0.005
_PATIENCE_SECONDS = 10.0


@dataclasses.dataclass(frozen=True)
class Door:
    """One listening port; `bound` keeps it open until its queue is empty."""

    server: asyncio.AbstractServer
    bound: socket.socket


class HttpServer:
    """Serves one application on any number of ports."""

    def __init__(self, application: Application, limits: Limits) -> None:
        self._traffic = Traffic(application, limits)
        self._doors: list[Door] = []
        self._loop = _new_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name="rest", daemon=True)

    def open(self, bound: socket.socket) -> None:
        """Serve on a bound socket; returns when connections are accepted."""
        if not self._thread.is_alive():
            self._thread.start()
            self._loop.call_soon_threadsafe(self._tick)
        self._run(self._open(bound), _PATIENCE_SECONDS)

    def close(self, seconds: float) -> None:
        """Accept no more, let requests under way finish, and return when that is done or the time is over."""
        if self._thread.is_alive():
            self._run(self._drain(seconds), seconds + _PATIENCE_SECONDS)

    def _run(self, coroutine: Coroutine[Any, Any, T], seconds: float) -> T:
        return asyncio.run_coroutine_threadsafe(coroutine, self._loop).result(seconds)

    def _connection(self) -> Connection:
        return Connection(self._traffic)

    def _tick(self) -> None:
        self._traffic.tick()
        self._loop.call_later(_TICK_SECONDS, self._tick)

    async def _open(self, bound: socket.socket) -> None:
        queue = bound.dup()
        queue.setblocking(False)
        server = await self._loop.create_server(self._connection, sock=bound, backlog=BACKLOG)
        self._doors.append(Door(server, queue))

    async def _drain(self, seconds: float) -> None:
        end = time.monotonic() + seconds
        self._traffic.draining = True
        while self._doors:
            await self._shut(self._doors.pop())
        for connection in list(self._traffic.connections):
            connection.retire()
        while self._traffic.connections and time.monotonic() < end:
            await asyncio.sleep(_POLL_SECONDS)
            self._traffic.tick()
        for connection in list(self._traffic.connections):
            connection.abort()

    async def _shut(self, door: Door) -> None:
        """Close a port; who has come to it already is let in, who comes now meets the server that shares it, if any."""
        doors.turn_away([door.bound])
        door.server.close()
        await self._let_in(door.bound)
        await asyncio.sleep(_HANDSHAKE_SECONDS)
        await self._let_in(door.bound)
        door.bound.close()

    async def _let_in(self, queue: socket.socket) -> None:
        while True:
            try:
                client, _ = queue.accept()
            except OSError:
                return
            await self._loop.connect_accepted_socket(self._connection, client)


def _new_loop() -> asyncio.AbstractEventLoop:
    try:
        import uvloop
    except ImportError:
        return asyncio.new_event_loop()
    loop: asyncio.AbstractEventLoop = uvloop.new_event_loop()
    return loop
