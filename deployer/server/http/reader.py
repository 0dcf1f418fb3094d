"""Parse one connection's bytes to complete requests within limits, with llhttp through httptools."""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Callable

import httptools

from deployer.server.http.message import Request

_USED_HEADERS = frozenset((b"content-encoding", b"content-length", b"expect", b"origin"))
_METHOD = re.compile(rb"[A-Z]+ ")
_FRAMING = 8


class RequestRejected(Exception):
    """The bytes are not an acceptable request; `status` is the HTTP status."""

    def __init__(self, status: int) -> None:
        super().__init__(status)
        self.status = status


@dataclasses.dataclass(frozen=True)
class Limits:
    """Limits of the REST port, in bytes, connections and seconds."""

    head_bytes: int = 1 << 16
    body_bytes: int = 1 << 28
    bodies_bytes: int = 1 << 30
    connections: int = 4096
    request_seconds: float = 60
    idle_seconds: float = 60


class BodyBudget:
    """The bytes of request bodies in memory, over all connections."""

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self.in_use = 0

    def reserve(self, size: int) -> None:
        """Add bytes. Raises RequestRejected over the limit."""
        self.in_use += size
        if self.in_use > self._limit:
            raise RequestRejected(503)

    def release(self, size: int) -> None:
        """Subtract bytes."""
        self.in_use -= size


class RequestReader:
    """Feeds one connection's bytes to the parser and passes on complete requests."""

    def __init__(
        self,
        limits: Limits,
        bodies: BodyBudget,
        on_request: Callable[[Request], None],
        send_continue: Callable[[], None],
    ) -> None:
        self._limits = limits
        self._bodies = bodies
        self._on_request = on_request
        self._send_continue = send_continue
        self._parser = httptools.HttpRequestParser(self)
        self._head_bytes = self._messages = 0
        self._target = b""
        self._all_headers: list[tuple[bytes, bytes]] = []
        self._headers: dict[bytes, bytes] = {}
        self._chunks: list[bytes] = []
        self.in_request = False
        self.size = 0

    def feed(self, data: bytes) -> None:
        """Parse data. Raises RequestRejected, after which nothing more may be fed."""
        message, size = self._messages if self.in_request else None, self.size
        self._parse(data)
        if self.in_request and self._messages == message:
            self._head_bytes += len(data) - _FRAMING * (self.size - size)
            if self._head_bytes > self._limits.head_bytes:
                raise RequestRejected(431)

    def close(self) -> None:
        """Release the body bytes of an incomplete request."""
        self._bodies.release(self.size)
        self.size = 0

    def _parse(self, data: bytes | memoryview) -> None:
        while data:
            data = self._parse_step(data)

    def _parse_step(self, data: bytes | memoryview) -> bytes | memoryview:
        """Parse data and return the rest."""
        try:
            self._parser.feed_data(data)
        except httptools.HttpParserUpgrade as upgrade:
            self._parse_without_upgrade()
            return memoryview(data)[upgrade.args[0] :]
        except httptools.HttpParserError as error:
            raise _refusal(error, data) from error
        return b""

    def _parse_without_upgrade(self) -> None:
        """Parse the head again without its unsupported upgrade, which makes the parser stop before the body."""
        remaining = ((name, value) for name, value in self._all_headers if name not in (b"connection", b"upgrade"))
        lines = b"".join(b"%b: %b\r\n" % header for header in remaining)
        version = self._parser.get_http_version().encode()
        rewritten = b"%b %b HTTP/%b\r\n%b\r\n" % (self._parser.get_method(), self._target, version, lines)
        self._parser = httptools.HttpRequestParser(self)
        self._parse(rewritten)

    def on_message_begin(self) -> None:
        """Reset the state for a new request."""
        self.in_request = True
        self._messages += 1
        self._head_bytes = 0
        self._target = b""
        self._all_headers = []
        self._chunks = []

    def on_url(self, url: bytes) -> None:
        """Append to the request target."""
        self._target += url

    def on_header(self, name: bytes, value: bytes) -> None:
        """Record a header."""
        self._all_headers.append((name.lower(), value))

    def on_headers_complete(self) -> None:
        """Check the body size and send `100 Continue` if requested."""
        if self._parser.should_upgrade():
            return
        self._headers = {name: value for name, value in reversed(self._all_headers) if name in _USED_HEADERS}
        if int(self._headers.get(b"content-length", 0)) > self._limits.body_bytes:
            raise RequestRejected(413)
        if self._headers.get(b"expect", b"").lower() == b"100-continue" and self._parser.get_http_version() != "1.0":
            self._send_continue()

    def on_body(self, data: bytes) -> None:
        """Append to the body."""
        self._chunks.append(data)
        self.size += len(data)
        self._bodies.reserve(len(data))
        if self.size > self._limits.body_bytes:
            raise RequestRejected(413)

    def on_message_complete(self) -> None:
        """Pass on the complete request."""
        if self._parser.should_upgrade():
            return
        chunks, self._chunks = self._chunks, []
        body = chunks[0] if len(chunks) == 1 else b"".join(chunks)
        self.in_request = False
        self.size = 0
        parser = self._parser
        is_http_1_0 = parser.get_http_version() != "1.1"
        self._on_request(
            Request(parser.get_method(), self._target, self._headers, body, parser.should_keep_alive(), is_http_1_0)
        )


def _refusal(error: httptools.HttpParserError, data: bytes | memoryview) -> RequestRejected:
    if isinstance(error.__context__, RequestRejected):
        return error.__context__
    unknown = isinstance(error, httptools.HttpParserInvalidMethodError) and _METHOD.match(data)
    return RequestRejected(501 if unknown else 400)
