"""The kernel's side of closing a port that another process listens on too: nothing that clients send may be lost.

New connections are steered to the other process, with classic BPF programs, which Linux lets every process attach to
its own sockets; elsewhere nothing happens. The sockets of gRPC's C core are found among the process's open files.
"""

from __future__ import annotations

import contextlib
import ctypes
import fcntl
import os
import socket
import struct
import sys
import termios
from collections.abc import Sequence
from pathlib import Path

_LINUX = sys.platform.startswith("linux")
_SO_ATTACH_FILTER, _SO_ATTACH_REUSEPORT_CBPF = 26, 51
_LISTEN = "0A"
_PROBE_SECONDS = 0.1
_UNACCEPTED = slice(24, 28)
_TCP_FLAGS, _SYN_ACK, _SYN = 13, 0x12, 0x02
_DROP, _PASS = 0, 0xFFFFFFFF
Program = Sequence[tuple[int, int, int, int]]
_NO_SYN: Program = (
    (0x30, 0, 0, _TCP_FLAGS),  # load the byte of TCP flags
    (0x54, 0, 0, _SYN_ACK),  # keep SYN and ACK
    (0x15, 0, 1, _SYN),  # SYN alone:
    (0x06, 0, 0, _DROP),
    (0x06, 0, 0, _PASS),
)


def listening(port: int) -> list[socket.socket]:
    """Return the process's listening TCP sockets of a port, as copies that the caller closes."""
    return _own(port, listens=True)


def connected(port: int) -> list[socket.socket]:
    """Return the process's connections that came to a port, as copies that the caller closes."""
    return _own(port, listens=False)


def _own(port: int, listens: bool) -> list[socket.socket]:
    found: dict[int, socket.socket] = {}
    for file in list(Path("/proc/self/fd").iterdir()) if _LINUX else ():
        with contextlib.suppress(OSError):  # closed meanwhile
            if file.readlink().name.startswith("socket:"):
                copy = socket.socket(fileno=os.dup(int(file.name)))
                if _inode(copy) not in found and _is_of_port(copy, port, listens):
                    found[_inode(copy)] = copy
                else:
                    copy.close()
    return list(found.values())


def _is_of_port(found: socket.socket, port: int, listens: bool) -> bool:
    try:
        is_tcp = found.family in (socket.AF_INET, socket.AF_INET6) and found.type == socket.SOCK_STREAM
        is_wanted = bool(found.getsockopt(socket.SOL_SOCKET, socket.SO_ACCEPTCONN)) is listens
        return is_tcp and is_wanted and found.getsockname()[1] == port
    except OSError:
        return False


def others(bound: socket.socket) -> list[int]:
    """Return the likely places of other processes' sockets among all that listen at this one's address.

    The kernel's order is that in which they came. Inodes tell it as a rule: each processor counts them on its own.
    """
    with contextlib.ExitStack() as closing:
        own = {_inode(closing.enter_context(each)) for each in listening(int(bound.getsockname()[1]))}
    return [place for place, inode in enumerate(sorted(_group(bound))) if inode not in own]


def _inode(of: socket.socket) -> int:
    return os.fstat(of.fileno()).st_ino


def _group(bound: socket.socket) -> list[int]:
    """Return the inodes of all sockets that listen at the address of this one."""
    if not _LINUX:
        return []
    table = Path("/proc/net/tcp6" if bound.family == socket.AF_INET6 else "/proc/net/tcp")
    rows = [line.split() for line in table.read_text(encoding="ascii").splitlines()[1:]]
    here = next((row[1] for row in rows if int(row[9]) == _inode(bound)), "")
    return [int(row[9]) for row in rows if row[1] == here and row[3] == _LISTEN]


def turn_away(bound: Sequence[socket.socket]) -> None:
    """Have new connections go to another process that shares the port of these sockets, which are about to close.

    From now on the kernel drops each SYN that comes to them: its client sends it again a second later. That nobody has
    to wait, the kernel also asks a program which of all sockets shall have a new connection. It counts them in an order
    that changes when one closes, so places are tried, the likeliest first, until one leads to another process. Without
    all this, a connection that is made between the last accept and the close would be reset.
    """
    shared = [each for each in bound if _LINUX and each.getsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT)]
    places = _places(shared[0]) if shared else []
    with contextlib.suppress(OSError):  # a kernel that has no such programs
        for place in places[:1]:
            _steer(shared[0], place)
        for each in shared:
            _attach(each, _SO_ATTACH_FILTER, _NO_SYN)
        for place in places[1:]:
            if _leads_away(shared[0]):
                break
            _steer(shared[0], place)


def _places(bound: socket.socket) -> list[int]:
    """Return where other processes' sockets may be among those that share the port, the likeliest place first."""
    there = others(bound)
    places = range(len(_group(bound)) if there else 0)
    return sorted(places, key=lambda place: (place in there, place), reverse=True)


def _steer(bound: socket.socket, place: int) -> None:
    _attach(bound, _SO_ATTACH_REUSEPORT_CBPF, ((0x06, 0, 0, place),))


def _leads_away(bound: socket.socket) -> bool:
    """Whether a connection can be made, when this process takes none."""
    with socket.socket(bound.family, socket.SOCK_STREAM) as probe:
        probe.settimeout(_PROBE_SECONDS)
        return probe.connect_ex(bound.getsockname()) == 0


def unaccepted(bound: socket.socket) -> int:
    """Return how many connections wait to be accepted."""
    if not _LINUX:
        return 0
    (number,) = struct.unpack("I", bound.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, 104)[_UNACCEPTED])
    return int(number)


def unsent(connection: socket.socket) -> int:
    """Return how many bytes were written that the client has not confirmed."""
    return int.from_bytes(fcntl.ioctl(connection, termios.TIOCOUTQ, bytes(4)), sys.byteorder)


def _attach(to: socket.socket, option: int, program: Program) -> None:
    code = b"".join(struct.pack("HBBI", *instruction) for instruction in program)
    kept = ctypes.create_string_buffer(code, len(code))
    to.setsockopt(socket.SOL_SOCKET, option, struct.pack("HL", len(program), ctypes.addressof(kept)))
