"""Share a listening socket: a server passes its own to its successor at the same address.

Both accept from one queue, so no waiting connection is lost when one of them closes. A server offers its socket on an
abstract UNIX socket named after the address, to processes of the same user. This works on Linux only; elsewhere a
server listens on a socket of its own.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import secrets
import socket
import struct
import sys
from pathlib import Path

_LINUX = sys.platform.startswith("linux")
_UNIX_SOCKETS = Path("/proc/net/unix")
_FLAGS_COLUMN, _NAME_COLUMN = 3, 7
_LISTENING = 1 << 16
_CREDENTIALS = struct.Struct("3i")
_PAYLOAD = b"."
_TIMEOUT_SECONDS = 5.0
_predecessors: list[socket.socket] = []
"""Connections to servers whose sockets were received; they stay open while this process runs."""


class SocketOffer:
    """Passes a listening socket to each process that connects, and knows whether one of them still runs."""

    def __init__(self, bound: socket.socket) -> None:
        self._bound = bound
        self._loop = asyncio.get_running_loop()
        self._successors: set[socket.socket] = set()
        self._listener = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        self._listener.setblocking(False)
        self._listener.bind(f"\0{_name(bound)}{secrets.token_hex(8)}")
        self._listener.listen()
        self._loop.add_reader(self._listener, self._pass)

    @property
    def has_successor(self) -> bool:
        """Whether another process continues at the address."""
        return bool(self._successors)

    def close(self) -> None:
        """Stop offering the socket."""
        self._loop.remove_reader(self._listener)
        self._listener.close()
        for successor in list(self._successors):
            self._drop(successor)

    def _pass(self) -> None:
        with contextlib.suppress(OSError):
            successor, _ = self._listener.accept()
            if _peer_uid(successor) != os.geteuid():
                successor.close()
                return
            successor.setblocking(False)
            self._successors.add(successor)
            self._loop.add_reader(successor, self._drop, successor)
            socket.send_fds(successor, [_PAYLOAD], [self._bound.fileno()])

    def _drop(self, successor: socket.socket) -> None:
        """Forget a successor whose connection ended, because its process did."""
        self._successors.discard(successor)
        self._loop.remove_reader(successor)
        successor.close()


def offer_socket(bound: socket.socket) -> SocketOffer | None:
    """Offer a listening socket with SO_REUSEPORT, if possible. Call it on the event loop."""
    if not _LINUX or not bound.getsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT):
        return None
    try:
        return SocketOffer(bound)
    except OSError:
        return None


def take_over_socket(bound: socket.socket) -> socket.socket | None:
    """Return the listening socket of a server at the address of `bound`, or None."""
    for name in _offered_names(_name(bound)) if _LINUX else ():
        with contextlib.suppress(OSError):  # the server has ended
            if (received := _receive(name)) is not None:
                return received
    return None


def _receive(name: str) -> socket.socket | None:
    predecessor = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    try:
        predecessor.settimeout(_TIMEOUT_SECONDS)
        predecessor.connect(f"\0{name}")
        descriptors = (
            socket.recv_fds(predecessor, len(_PAYLOAD), 1)[1] if _peer_uid(predecessor) == os.geteuid() else []
        )
    except OSError:
        predecessor.close()
        raise
    if not descriptors:
        predecessor.close()
        return None
    _predecessors.append(predecessor)
    return socket.socket(fileno=descriptors[0])


def _offered_names(prefix: str) -> list[str]:
    """Return the names of listening UNIX sockets with this prefix; the kernel shows abstract names with an @."""
    rows = (line.split() for line in _UNIX_SOCKETS.read_text(encoding="utf-8", errors="replace").splitlines()[1:])
    listening = (
        row[_NAME_COLUMN] for row in rows if len(row) > _NAME_COLUMN and int(row[_FLAGS_COLUMN], 16) & _LISTENING
    )
    return [name[1:] for name in listening if name.startswith(f"@{prefix}")]


def _name(bound: socket.socket) -> str:
    host, port = bound.getsockname()[:2]
    return f"deployer-rest-{host}-{port}-"


def _peer_uid(peer: socket.socket) -> int:
    _, uid, _ = _CREDENTIALS.unpack(peer.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, _CREDENTIALS.size))
    return int(uid)
