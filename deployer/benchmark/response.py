"""Reads HTTP/1.1 responses from a stream of bytes: as much as load needs, and without a library in C."""

from __future__ import annotations

import re
from dataclasses import dataclass

MAX_HEAD_BYTES = 64 << 10
STATUS = re.compile(rb"HTTP/1\.[01] ([0-9]{3})")
LENGTH = re.compile(rb"\r\ncontent-length:[ \t]*([0-9]{1,18})[ \t]*\r\n", re.IGNORECASE)
CHUNKED = re.compile(rb"\r\ntransfer-encoding:[^\r\n]*chunked[ \t]*\r\n", re.IGNORECASE)
CLOSE = re.compile(rb"\r\nconnection:[ \t]*close[ \t]*\r\n", re.IGNORECASE)
CHUNK_SIZE = re.compile(rb"([0-9a-fA-F]{1,15})[ \t]*(?:;[^\r\n]*)?\r\n")
HEAD_END = b"\r\n\r\n"
NO_BODY = (204, 304)


class MalformedResponse(Exception):
    """What a server sent is no HTTP response."""


@dataclass(frozen=True)
class Response:
    """A complete response; `reusable` says whether its connection takes another request."""

    status: int
    body: bytes
    reusable: bool


class ResponseReader:
    """Collects the bytes of one response after the other."""

    def __init__(self) -> None:
        self._parts: list[bytes] = []
        self._size = 0
        self._needed = 0
        """The size of the whole response, where its head is known."""

    def feed(self, data: bytes) -> Response | None:
        """Take bytes; return the response when it is complete. Raises MalformedResponse."""
        self._parts.append(data)
        self._size += len(data)
        if self._size < self._needed:
            return None
        data = self._parts[0] if len(self._parts) == 1 else b"".join(self._parts)
        response = self._read(data)
        self._parts = [data] if response is None else []
        self._size, self._needed = (self._size, self._needed) if response is None else (0, 0)
        return response

    def _read(self, data: bytes) -> Response | None:
        end = data.find(HEAD_END)
        if end < 0:
            if len(data) > MAX_HEAD_BYTES or not b"HTTP/1.".startswith(data[:7]):
                raise MalformedResponse(repr(data[:60]))
            return None
        status = STATUS.match(data)
        if status is None:
            raise MalformedResponse(repr(data[:60]))
        head = data[: end + 2]
        body = self._body(int(status[1]), head, data, end + len(HEAD_END))
        if body is None:
            return None
        return Response(int(status[1]), body, not CLOSE.search(head))

    def _body(self, status: int, head: bytes, data: bytes, start: int) -> bytes | None:
        """Return the body that starts there, or None if it is not complete."""
        if length := LENGTH.search(head):
            self._needed = start + int(length[1])
            return data[start : self._needed] if len(data) >= self._needed else None
        if CHUNKED.search(head):
            return _chunks(data, start)
        if status in NO_BODY:
            return b""
        raise MalformedResponse("a response without a length")


def _chunks(data: bytes, start: int) -> bytes | None:
    """Return the joined chunks, or None if the last one is missing."""
    chunks: list[bytes] = []
    while match := CHUNK_SIZE.match(data, start):
        size, start = int(match[1], 16), match.end()
        if not size:
            return b"".join(chunks) if data.find(b"\r\n", start) >= 0 else None
        chunks.append(data[start : start + size])
        start += size + 2
    if len(data) - start > MAX_HEAD_BYTES:
        raise MalformedResponse(repr(data[start : start + 60]))
    return None
