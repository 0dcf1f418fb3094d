"""One listening socket in two processes: a server passes its own to the server that follows it at the same address.

Both accept from one queue, so nothing that waits in it is lost when one of them closes. A server offers its socket at a
UNIX socket with an abstract name that says the address, to processes of the same user. Linux only: elsewhere nobody
offers one, and a server listens beside the other.
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
_SOCKETS = Path("/proc/net/unix")
_FLAGS, _NAME = 3, 7
_LISTENS = 1 << 16
_CREDENTIALS = struct.Struct("3i")
_PAYLOAD = b"."
_SECONDS = 5.0
_predecessors: list[socket.socket] = []
"""Connections to servers whose sockets were taken: each is open for as long as this process lives."""


class Offer:
    """Passes a listening socket to each process that asks, and knows whether one of them still runs."""

    def __init__(self, bound: socket.socket) -> None:
        self._bound = bound
        self._loop = asyncio.get_running_loop()
        self._followers: set[socket.socket] = set()
        self._listener = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        self._listener.setblocking(False)
        self._listener.bind(f"\0{_name(bound)}{secrets.token_hex(8)}")
        self._listener.listen()
        self._loop.add_reader(self._listener, self._pass)

    @property
    def taken(self) -> bool:
        """Whether another process goes on at the address."""
        return bool(self._followers)

    def close(self) -> None:
        """Offer the socket to nobody else."""
        self._loop.remove_reader(self._listener)
        self._listener.close()
        for follower in list(self._followers):
            self._drop(follower)

    def _pass(self) -> None:
        with contextlib.suppress(OSError):
            follower, _ = self._listener.accept()
            if _user(follower) != os.geteuid():
                follower.close()
                return
            follower.setblocking(False)
            self._followers.add(follower)
            self._loop.add_reader(follower, self._drop, follower)
            socket.send_fds(follower, [_PAYLOAD], [self._bound.fileno()])

    def _drop(self, follower: socket.socket) -> None:
        """Forget a process that has ended: that is all it can tell."""
        self._followers.discard(follower)
        self._loop.remove_reader(follower)
        follower.close()


def offer(bound: socket.socket) -> Offer | None:
    """Offer a listening socket whose port may be shared, where that is possible. Call it on the event loop."""
    if not _LINUX or not bound.getsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT):
        return None
    try:
        return Offer(bound)
    except OSError:
        return None


def take(bound: socket.socket) -> socket.socket | None:
    """Return the listening socket of the server at the address that `bound` has, too, if there is one."""
    for name in _offers(_name(bound)) if _LINUX else ():
        with contextlib.suppress(OSError):  # it has ended meanwhile
            if (passed := _taken(name)) is not None:
                return passed
    return None


def _taken(name: str) -> socket.socket | None:
    predecessor = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    try:
        predecessor.settimeout(_SECONDS)
        predecessor.connect(f"\0{name}")
        descriptors = socket.recv_fds(predecessor, len(_PAYLOAD), 1)[1] if _user(predecessor) == os.geteuid() else []
    except OSError:
        predecessor.close()
        raise
    if not descriptors:
        predecessor.close()
        return None
    _predecessors.append(predecessor)
    return socket.socket(fileno=descriptors[0])


def _offers(start: str) -> list[str]:
    """Return the listening sockets whose names begin so; the kernel writes an abstract name with an @."""
    rows = (line.split() for line in _SOCKETS.read_text(encoding="utf-8", errors="replace").splitlines()[1:])
    listening = (row[_NAME] for row in rows if len(row) > _NAME and int(row[_FLAGS], 16) & _LISTENS)
    return [name[1:] for name in listening if name.startswith(f"@{start}")]


def _name(bound: socket.socket) -> str:
    host, port = bound.getsockname()[:2]
    return f"deployer-rest-{host}-{port}-"


def _user(peer: socket.socket) -> int:
    _, user, _ = _CREDENTIALS.unpack(peer.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, _CREDENTIALS.size))
    return int(user)
