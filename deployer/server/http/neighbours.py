"""The server that goes on at a port which this one leaves: connections are handed to it, open as they are.

A client that keeps a connection idle cannot be told that its server goes: HTTP/1 has no word for it, and the request
that it sends next may meet a closed connection. So where nothing is under way the connection itself goes to the other
process. Each server has a letter box for every port that it shares: a UNIX socket with an abstract name that says which
port. It takes from processes of the same user alone, as the kernel lets only those share a port. Linux only: elsewhere
there are no letter boxes, and nobody finds one.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import secrets
import socket
import struct
import sys
from collections.abc import Callable
from pathlib import Path

_LINUX = sys.platform.startswith("linux")
_SOCKETS = Path("/proc/net/unix")
_FLAGS, _NAME = 3, 7
_LISTENS = 1 << 16
_CREDENTIALS = struct.Struct("3i")
_LETTER = b"."
"""What carries a connection: a message must not be empty."""


class LetterBox:
    """Takes connections that another process hands over, and delivers each; one per port that is shared."""

    def __init__(self, bound: socket.socket, deliver: Callable[[socket.socket], None]) -> None:
        self._deliver = deliver
        self._loop = asyncio.get_running_loop()
        self._senders: set[socket.socket] = set()
        self._door = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        self._door.setblocking(False)
        self._door.bind(f"\0{_name(bound)}{secrets.token_hex(8)}")
        self._door.listen()
        self._loop.add_reader(self._door, self._meet)

    def close(self) -> None:
        """Take what has been sent already, and no more."""
        self._meet()
        self._loop.remove_reader(self._door)
        self._door.close()
        for sender in list(self._senders):
            while self._take(sender):
                pass
            self._leave(sender)

    def _meet(self) -> None:
        with contextlib.suppress(OSError):
            sender, _ = self._door.accept()
            sender.setblocking(False)
            if _user(sender) != os.geteuid():
                sender.close()
                return
            self._senders.add(sender)
            self._loop.add_reader(sender, self._take, sender)

    def _take(self, sender: socket.socket) -> bool:
        """Whether there was a letter."""
        try:
            letter, descriptors, _, _ = socket.recv_fds(sender, len(_LETTER), 1)
        except BlockingIOError:
            return False
        except OSError:
            letter, descriptors = b"", []
        for descriptor in descriptors:
            self._deliver(socket.socket(fileno=descriptor))
        if not letter:
            self._leave(sender)
        return bool(letter)

    def _leave(self, sender: socket.socket) -> None:
        if sender in self._senders:
            self._senders.remove(sender)
            self._loop.remove_reader(sender)
            sender.close()


def letter_box(bound: socket.socket, deliver: Callable[[socket.socket], None]) -> LetterBox | None:
    """A letter box for a listening socket whose port may be shared, where one can be had. Call it on the event loop."""
    if not _LINUX or not bound.getsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT):
        return None
    try:
        return LetterBox(bound, deliver)
    except OSError:
        return None


class Neighbour:
    """A process of this user that listens where this one does; None of it is known but its letter box."""

    def __init__(self, box: socket.socket) -> None:
        self._box = box

    def takes(self, descriptor: int) -> bool:
        """Hand over a connection; whether that is done. A box that is full may be empty again a moment later."""
        try:
            socket.send_fds(self._box, [_LETTER], [descriptor])
        except OSError:
            return False
        return True

    def close(self) -> None:
        """There is nothing more to hand over."""
        self._box.close()


def neighbour(bound: socket.socket) -> Neighbour | None:
    """Who goes on at the address of a listening socket, if anybody does. Letter boxes of one's own must be closed."""
    for name in _boxes(_name(bound)) if _LINUX else ():
        box = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        with contextlib.suppress(OSError):  # it has gone meanwhile
            box.setblocking(False)
            box.connect(f"\0{name}")
            if _user(box) == os.geteuid():
                return Neighbour(box)
        box.close()
    return None


def _boxes(start: str) -> list[str]:
    """The letter boxes whose names begin so; the kernel writes an abstract name with an @."""
    rows = (line.split() for line in _SOCKETS.read_text(encoding="utf-8", errors="replace").splitlines()[1:])
    listening = (row[_NAME] for row in rows if len(row) > _NAME and int(row[_FLAGS], 16) & _LISTENS)
    return [name[1:] for name in listening if name.startswith(f"@{start}")]


def _name(bound: socket.socket) -> str:
    host, port = bound.getsockname()[:2]
    return f"deployer-http-{host}-{port}-"


def _user(peer: socket.socket) -> int:
    _, user, _ = _CREDENTIALS.unpack(peer.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, _CREDENTIALS.size))
    return int(user)
