"""Requests and replies between the HTTP transport and the application, and the bytes of a reply.

Both are named tuples, because each request creates one of either and a frozen dataclass takes three times as long.
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
    """A complete request; `headers` holds the relevant ones with lower-case names."""

    method: bytes
    target: bytes
    headers: Mapping[bytes, bytes]
    body: bytes
    keep_alive: bool
    is_http_1_0: bool = False


class Reply(NamedTuple):
    """A reply; `extra_headers` are complete header lines.

    `code` is its status for the metrics, `closes_connection` ends the connection.
    """

    status: int
    body: bytes
    code: Code = Code.OK
    content_type: bytes = JSON
    extra_headers: bytes = b""
    closes_connection: bool = False


def html(status: int) -> Reply:
    """Return the page that libevent, TensorFlow Serving's HTTP library, sends for requests outside the API."""
    reason = _REASONS[status]
    return Reply(status, _HTML % (status, reason, reason), content_type=b"text/html", closes_connection=True)


def head_1_0(reply: Reply, keep_alive: bool) -> bytes:
    """Return status line and headers of an HTTP/1.0 reply, as libevent does, always with a length."""
    return b"HTTP/1.0 %d %b\r\nContent-Type: %b\r\nContent-Length: %d\r\n%b%b\r\n" % (
        reply.status,
        _REASONS[reply.status],
        reply.content_type,
        len(reply.body),
        reply.extra_headers,
        b"Connection: keep-alive\r\n" if keep_alive else b"",
    )


def head(reply: Reply, date: bytes, keep_alive: bool) -> bytes:
    """Return status line and headers of a reply."""
    return b"HTTP/1.1 %d %b\r\nContent-Type: %b\r\nDate: %b\r\nContent-Length: %d\r\n%b%b\r\n" % (
        reply.status,
        _REASONS[reply.status],
        reply.content_type,
        date,
        len(reply.body),
        reply.extra_headers,
        b"" if keep_alive else b"Connection: close\r\n",
    )
