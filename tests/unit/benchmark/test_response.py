"""HTTP responses are read however they are cut into pieces."""

from __future__ import annotations

import pytest

from deployer.benchmark.response import MalformedResponse, Response, ResponseReader

PLAIN = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\ncontent-length: 5\r\n\r\n12345"
CHUNKED = b"HTTP/1.1 503 Busy\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\nA;x=y\r\n0123456789\r\n0\r\n\r\n"
CLOSING = b"HTTP/1.0 404 No\r\nConnection: close\r\nContent-Length: 0\r\n\r\n"
ANSWERS = [
    (PLAIN, Response(200, b"12345", True)),
    (CHUNKED, Response(503, b"abc0123456789", True)),
    (CLOSING, Response(404, b"", False)),
    (b"HTTP/1.1 204 None\r\n\r\n", Response(204, b"", True)),
]


@pytest.mark.parametrize(("data", "expected"), ANSWERS)
@pytest.mark.parametrize("size", [1, 2, 7, 1000])
def test_a_response_in_pieces(data, expected, size):
    reader = ResponseReader()
    pieces = [data[start : start + size] for start in range(0, len(data), size)]
    *before, last = [reader.feed(piece) for piece in pieces]
    assert before == [None] * len(before)
    assert last == expected


def test_one_reader_reads_one_response_after_the_other():
    reader = ResponseReader()
    assert [reader.feed(data) for data, _ in ANSWERS] == [expected for _, expected in ANSWERS]


def test_a_large_body_is_joined_once():
    reader, body = ResponseReader(), bytes(range(256)) * 40_000
    data = b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % len(body) + body
    found = [reader.feed(data[start : start + 65536]) for start in range(0, len(data), 65536)]
    assert found[-1] == Response(200, body, True)


@pytest.mark.parametrize(
    "data",
    [
        b"\x00\x00\x12\x04\x00\x00\x00\x00\x00",
        b"HTTP/1.1 abc\r\n\r\n",
        b"HTTP/1.1 200 OK\r\n\r\nno length",
        b"HTTP/1.1 200 OK\r\nContent-Length: x\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nx: " + b"y" * (1 << 17),
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n" + b"z" * (1 << 17),
    ],
    ids=lambda data: repr(data[:40]),
)
def test_what_is_no_response_is_refused(data):
    with pytest.raises(MalformedResponse):
        ResponseReader().feed(data)
