"""The frames in which an engine sends the output of a process: a header with the stream and the length, and bytes."""

from __future__ import annotations

import contextlib
import socket
import struct
from collections.abc import Callable, Iterable, Iterator

from deployer.system.wait import Deadline

HEADER = struct.Struct(">BxxxI")
STDOUT, STDERR = 1, 2
CHUNK_BYTES = 1 << 16
SILENT_SECONDS = 3.0


def take_frames(received: bytearray) -> Iterator[tuple[int, bytes]]:
    """Remove the complete frames from what was received; yield the stream and the bytes of each."""
    while len(received) >= HEADER.size:
        stream, length = HEADER.unpack_from(received)
        if len(received) < HEADER.size + length:
            return
        data = bytes(received[HEADER.size : HEADER.size + length])
        del received[: HEADER.size + length]
        yield stream, data


def read_output(sock: socket.socket, seconds: float, check: Callable[[], None]) -> tuple[bytes, bytes]:
    """Return what a process writes to its standard output and its standard error, until it ends.

    `check` is called whenever nothing has come for a moment, and may raise: an engine does not always close the stream
    of a process whose container has ended. Raises OSError, also if the process takes more than `seconds`.
    """
    received, written = bytearray(), {STDOUT: bytearray(), STDERR: bytearray()}
    sock.settimeout(SILENT_SECONDS)
    deadline = Deadline.after(seconds)
    while chunk := _chunk(sock, deadline, check):
        received += chunk
        for stream, data in take_frames(received):
            written.get(stream, bytearray()).extend(data)
    return bytes(written[STDOUT]), bytes(written[STDERR])


def send(sock: socket.socket, chunks: Iterable[bytes], seconds: float, check: Callable[[], None]) -> None:
    """Write chunks to the standard input of a process; each may take `seconds`. `check` is as in `read_output`."""
    sock.settimeout(SILENT_SECONDS)
    for chunk in chunks:
        rest, deadline = memoryview(chunk), Deadline.after(seconds)
        while rest:
            with contextlib.suppress(TimeoutError):
                rest = rest[sock.send(rest) :]
                continue
            if deadline.passed:
                raise TimeoutError(f"a process has taken no input for {seconds:g} s")
            check()


def _chunk(sock: socket.socket, deadline: Deadline, check: Callable[[], None]) -> bytes:
    while True:
        with contextlib.suppress(TimeoutError):
            return sock.recv(CHUNK_BYTES)
        if deadline.passed:
            raise TimeoutError(f"a process has not ended within {deadline.seconds:g} s")
        check()
