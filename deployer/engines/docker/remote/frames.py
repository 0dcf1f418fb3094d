"""The frames in which an engine sends the output of a process: a header with the stream and the length, and bytes."""

from __future__ import annotations

import socket
import struct
from collections.abc import Iterator

HEADER = struct.Struct(">BxxxI")
STDOUT, STDERR = 1, 2
CHUNK_BYTES = 1 << 16


def take_frames(received: bytearray) -> Iterator[tuple[int, bytes]]:
    """Remove the complete frames from what was received; yield the stream and the bytes of each."""
    while len(received) >= HEADER.size:
        stream, length = HEADER.unpack_from(received)
        if len(received) < HEADER.size + length:
            return
        data = bytes(received[HEADER.size : HEADER.size + length])
        del received[: HEADER.size + length]
        yield stream, data


def read_output(sock: socket.socket) -> tuple[bytes, bytes]:
    """Return what a process writes to its standard output and its standard error, until it ends. Raise OSError."""
    received, written = bytearray(), {STDOUT: bytearray(), STDERR: bytearray()}
    while chunk := sock.recv(CHUNK_BYTES):
        received += chunk
        for stream, data in take_frames(received):
            written.get(stream, bytearray()).extend(data)
    return bytes(written[STDOUT]), bytes(written[STDERR])
