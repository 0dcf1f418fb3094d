"""Before a gRPC server stops whose port another process listens on too: have its clients go there, all of them.

`Server.stop` alone fails some: it resets connections that are not accepted yet or have not exchanged their first
frames, and it cancels calls that arrive after it has begun. So new connections are steered away first, and the last
ones get time to settle. Then every client is asked to leave by a GOAWAY frame that names no last stream: it goes on
with the calls that are under way, makes new ones on a new connection, and closes the old one. Only then comes `stop`.

The C core sends that frame by itself when a connection reaches a certain age, and has no call to send it at another
time. So it is written to the connection's socket beside the core. A write of the core is one system call, unless the
socket's buffer is full: while anything is on its way to the client, nothing is written. Connections with TLS cannot be
written to; their calls that arrive in the very moment of the stop may be cancelled.
"""

from __future__ import annotations

import contextlib
import socket
import struct
import time

from deployer.server import sockets

_SETTLE_SECONDS = 0.2
_LEAVE_SECONDS = 2.0
_POLL_SECONDS = 0.01
_GOAWAY, _NO_LAST_STREAM, _NO_ERROR = 7, 0x7FFFFFFF, 0
_LEAVE = struct.pack(">HBBBIII", 0, 8, _GOAWAY, 0, 0, _NO_LAST_STREAM, _NO_ERROR)


def prepare(port: int, end: float, is_plain: bool) -> None:
    """Have clients go to the process that shares the port, if one does; returns when they have, or at `end`.

    Who asks often leaves at once. Those who do not within two seconds are idle or wait for an answer: `stop` does them
    no harm.
    """
    with contextlib.ExitStack() as closing:
        bound = [closing.enter_context(each) for each in (sockets.listening(port) if port else ())]
        if not any(map(sockets.others, bound)):
            return
        _turn_away(bound, end)
        if is_plain:
            _ask_to_leave(port, min(end, time.monotonic() + _LEAVE_SECONDS))


def _turn_away(bound: list[socket.socket], end: float) -> None:
    sockets.turn_away(bound)
    settled = time.monotonic() + _SETTLE_SECONDS
    while time.monotonic() < min(end, settled) or (any(map(sockets.unaccepted, bound)) and time.monotonic() < end):
        time.sleep(_POLL_SECONDS)


def _ask_to_leave(port: int, end: float) -> None:
    """Return when all clients have left, or the time is over."""
    asked: set[tuple[object, ...]] = set()
    while time.monotonic() < end:
        clients = sockets.connected(port)
        with contextlib.ExitStack() as closing:
            for client in clients:
                closing.enter_context(client)
                _ask(client, asked)
        if not clients:
            return
        time.sleep(_POLL_SECONDS)


def _ask(client: socket.socket, asked: set[tuple[object, ...]]) -> None:
    with contextlib.suppress(OSError):  # it has left meanwhile
        peer = client.getpeername()
        if peer not in asked and not sockets.unsent(client):
            client.send(_LEAVE, socket.MSG_DONTWAIT | socket.MSG_NOSIGNAL)
            asked.add(peer)
