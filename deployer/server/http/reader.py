"""From the bytes of one connection to whole requests, within the limits; the grammar is llhttp's, through httptools."""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Callable

import httptools

from deployer.server.http.message import Request

_LOOKED_AT = frozenset((b"content-encoding", b"content-length", b"expect", b"origin"))
_METHOD = re.compile(rb"[A-Z]+ ")
_FRAMING = 8


class Refused(Exception):
    """The bytes are no request that this server takes; `status` tells why."""

    def __init__(self, status: int) -> None:
        super().__init__(status)
        self.status = status


@dataclasses.dataclass(frozen=True)
class Limits:
    """How much clients may ask of the REST port: bytes, a number and seconds."""

    head_bytes: int = 1 << 16
    body_bytes: int = 1 << 28
    bodies_bytes: int = 1 << 30
    connections: int = 4096
    request_seconds: float = 60
    idle_seconds: float = 60


class Bodies:
    """How many bytes of request bodies are held, of all connections together."""

    def __init__(self, most: int) -> None:
        self._most = most
        self.held = 0

    def take(self, size: int) -> None:
        """Count bytes in; raises Refused when there are too many."""
        self.held += size
        if self.held > self._most:
            raise Refused(503)

    def release(self, size: int) -> None:
        """Count bytes out."""
        self.held -= size


class RequestReader:
    """Feeds one connection's bytes to the parser; a request that is whole goes to `take`."""

    def __init__(
        self, limits: Limits, bodies: Bodies, take: Callable[[Request], None], go_on: Callable[[], None]
    ) -> None:
        self._limits = limits
        self._bodies = bodies
        self._take = take
        self._go_on = go_on
        self._parser = httptools.HttpRequestParser(self)
        self._overhead = self._messages = 0
        self._target = b""
        self._all_headers: list[tuple[bytes, bytes]] = []
        self._headers: dict[bytes, bytes] = {}
        self._pieces: list[bytes] = []
        self.begun = False
        self.size = 0

    def feed(self, data: bytes) -> None:
        """Read on; raises Refused, after which nothing more may be fed."""
        before, size = self._messages if self.begun else None, self.size
        self._parse(data)
        if self.begun and self._messages == before:
            self._overhead += len(data) - _FRAMING * (self.size - size)
            if self._overhead > self._limits.head_bytes:
                raise Refused(431)

    def close(self) -> None:
        """Give back what a request that never came to its end has taken."""
        self._bodies.release(self.size)
        self.size = 0

    def _parse(self, data: bytes | memoryview) -> None:
        while data:
            data = self._parse_on(data)

    def _parse_on(self, data: bytes | memoryview) -> bytes | memoryview:
        """Return what is left to parse."""
        try:
            self._parser.feed_data(data)
        except httptools.HttpParserUpgrade as upgrade:
            self._parse_again()
            return memoryview(data)[upgrade.args[0] :]
        except httptools.HttpParserError as error:
            raise _refusal(error, data) from error
        return b""

    def _parse_again(self) -> None:
        """No upgrade is offered, so one that is asked for means nothing; the parser stops before the body for it."""
        kept = ((name, value) for name, value in self._all_headers if name not in (b"connection", b"upgrade"))
        lines = b"".join(b"%b: %b\r\n" % header for header in kept)
        version = self._parser.get_http_version().encode()
        again = b"%b %b HTTP/%b\r\n%b\r\n" % (self._parser.get_method(), self._target, version, lines)
        self._parser = httptools.HttpRequestParser(self)
        self._parse(again)

    def on_message_begin(self) -> None:
        """Called by the parser."""
        self.begun = True
        self._messages += 1
        self._overhead = 0
        self._target = b""
        self._all_headers = []
        self._pieces = []

    def on_url(self, url: bytes) -> None:
        """Called by the parser with the target, or a piece of it."""
        self._target += url

    def on_header(self, name: bytes, value: bytes) -> None:
        """Called by the parser."""
        self._all_headers.append((name.lower(), value))

    def on_headers_complete(self) -> None:
        """Called by the parser."""
        if self._parser.should_upgrade():
            return
        self._headers = {name: value for name, value in reversed(self._all_headers) if name in _LOOKED_AT}
        if int(self._headers.get(b"content-length", 0)) > self._limits.body_bytes:
            raise Refused(413)
        if self._headers.get(b"expect", b"").lower() == b"100-continue" and self._parser.get_http_version() != "1.0":
            self._go_on()

    def on_body(self, data: bytes) -> None:
        """Called by the parser with a piece of the body."""
        self._pieces.append(data)
        self.size += len(data)
        self._bodies.take(len(data))
        if self.size > self._limits.body_bytes:
            raise Refused(413)

    def on_message_complete(self) -> None:
        """Called by the parser."""
        if self._parser.should_upgrade():
            return
        pieces, self._pieces = self._pieces, []
        body = pieces[0] if len(pieces) == 1 else b"".join(pieces)
        self.begun = False
        self.size = 0
        parser = self._parser
        is_old = parser.get_http_version() != "1.1"
        self._take(Request(parser.get_method(), self._target, self._headers, body, parser.should_keep_alive(), is_old))


def _refusal(error: httptools.HttpParserError, data: bytes | memoryview) -> Refused:
    if isinstance(error.__context__, Refused):
        return error.__context__
    unknown = isinstance(error, httptools.HttpParserInvalidMethodError) and _METHOD.match(data)
    return Refused(501 if unknown else 400)
