"""What the HTTP transport hands to the application and gets back from it, and an answer's bytes.

Both are named tuples: every request makes one of either, and a frozen dataclass takes three times as long to make.
"""

from __future__ import annotations

from collections.abc import Mapping
from http import HTTPStatus
from typing import NamedTuple

from deployer.server.status import Code

JSON = b"application/json"
_HTML = b"<HTML><HEAD>\n<TITLE>%d %b</TITLE>\n</HEAD><BODY>\n<H1>%b</H1>\n</BODY></HTML>\n"
_REASONS = {status.value: status.phrase.encode() for status in HTTPStatus}
_REASONS.update(
    {413: b"Request Entity Too Large", 429: b"Client Error", 499: b"Client Error", 504: b"Gateway Time-out"}
)


class Request(NamedTuple):
    """A whole request; `headers` holds the few that are looked at, with names in lower case."""

    method: bytes
    target: bytes
    headers: Mapping[bytes, bytes]
    body: bytes
    keeps: bool
    is_http_1_0: bool = False


class Reply(NamedTuple):
    """An answer to send: `code` is what it counts as, `extra` whole header lines; `closes` ends the connection."""

    status: int
    body: bytes
    code: Code = Code.OK
    media: bytes = JSON
    extra: bytes = b""
    closes: bool = False


def html(status: int) -> Reply:
    """Return the page that libevent, TensorFlow Serving's HTTP library, sends for what is no API call."""
    reason = _REASONS[status]
    return Reply(status, _HTML % (status, reason, reason), media=b"text/html", closes=True)


def head_1_0(reply: Reply, keeps: bool) -> bytes:
    """Return status line and headers of an answer to HTTP/1.0: as libevent's, with a length in any case."""
    return b"HTTP/1.0 %d %b\r\nContent-Type: %b\r\nContent-Length: %d\r\n%b%b\r\n" % (
        reply.status,
        _REASONS[reply.status],
        reply.media,
        len(reply.body),
        reply.extra,
        b"Connection: keep-alive\r\n" if keeps else b"",
    )


def head(reply: Reply, date: bytes, keeps: bool) -> bytes:
    """Return status line and headers of an answer."""
    return b"HTTP/1.1 %d %b\r\nContent-Type: %b\r\nDate: %b\r\nContent-Length: %d\r\n%b%b\r\n" % (
        reply.status,
        _REASONS[reply.status],
        reply.media,
        date,
        len(reply.body),
        reply.extra,
        b"" if keeps else b"Connection: close\r\n",
    )
