"""Ten thousand hostile requests: each gets an answer or a closed connection, and nothing of them stays behind."""

from __future__ import annotations

import contextlib
import gzip
import http.client
import json
import random
import socket
import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor, wait
from pathlib import Path

import psutil
import pytest
from contract.server.server_process import HOST, MODELS, ServerProcess, free_port, serving, until

HALF = "/v1/models/half_plus_two:predict"
FLAGS = (
    "--model_name=half_plus_two",
    f"--model_base_path={MODELS / 'half_plus_two'}",
    "--rest_api_request_seconds=2",
    "--rest_api_idle_seconds=5",
    "--rest_api_timeout_in_ms=5000",
    "--rest_api_max_body_bytes=120000000",
)
PATIENCE = 60.0
PAUSE = 0.05
"""Between two good requests, while the server is at a bad one."""
MEGABYTES = 100


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ServerProcess]:
    with pytest.MonkeyPatch.context() as patch:
        patch.delenv("COVERAGE_PROCESS_CONFIG", raising=False)  # it takes memory, which is measured here
        yield from _served(tmp_path_factory)


def _served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ServerProcess]:
    with serving(tmp_path_factory.mktemp("hostile"), *FLAGS) as started:
        yield started.wait_ready()


@pytest.fixture(autouse=True)
def nothing_stays(server: ServerProcess) -> Iterator[None]:
    """Compare the process before and after a test; a first good request makes what every server makes once."""
    good(server)
    process = psutil.Process(server.child.pid)
    files, threads = process.num_fds(), process.num_threads()
    yield
    good(server)
    until(lambda: process.num_fds() <= files + 2)
    assert process.num_threads() <= threads + 16, "more threads than the pools have"
    assert "Traceback" not in server.log


def good(server: ServerProcess) -> None:
    assert server.predict("half_plus_two", 2.0) == (200, {"predictions": [2.0]})


def post(body: bytes, *headers: str, path: str = HALF) -> bytes:
    lines = "".join(f"{line}\r\n" for line in (f"POST {path} HTTP/1.1", "Host: h", *headers))
    return f"{lines}Content-Length: {len(body)}\r\nConnection: close\r\n\r\n".encode() + body


def sent(server: ServerProcess, data: bytes, port: int = 0) -> bytes:
    """Send what the server takes, and return what it says before it closes."""
    with socket.create_connection((HOST, port or server.rest_port), timeout=PATIENCE) as client:
        with contextlib.suppress(ConnectionError):
            client.sendall(data)
        with contextlib.suppress(OSError):  # reset already, it is not connected
            client.shutdown(socket.SHUT_WR)
        return said(client)


def said(client: socket.socket) -> bytes:
    pieces = []
    with contextlib.suppress(ConnectionError):
        while piece := client.recv(1 << 16):
            pieces.append(piece)
    return b"".join(pieces)


def refused_or_closed(answer: bytes) -> bool:
    return not answer or answer.startswith((b"HTTP/1.1 4", b"HTTP/1.1 5"))


def bodies(seed: int) -> Iterator[bytes]:
    """Bodies that are nearly JSON, or nearly a request."""
    chance = random.Random(seed)
    whole = json.dumps({"signature_name": "serving_default", "instances": [1.0, -2.5e3, 7]}).encode()
    while True:
        cut = bytearray(whole)
        for _ in range(chance.randint(1, 6)):
            cut[chance.randrange(len(cut))] = chance.choice(b'[]{}",:\\\0\xff\xc3\xed0e-.nN')
        yield bytes(cut)
        yield (
            b'{"instances": [' + chance.choice((b"1e", b"-", b"1" * 5000, b"0." + b"9" * 5000, b"1e9999999999")) + b"]}"
        )
        yield b'{"instances": [' + chance.choice((b'"\xff\xfe"', b'"\\ud800"', b'"\\u00"', b"\xef\xbb\xbf1")) + b"]}"
        yield chance.choice((b"[", b'{"a":', b'{"instances": [')) * chance.randint(2, 3000)
        yield chance.randbytes(chance.randint(1, 300))


def test_bodies_that_are_no_request_are_refused(server: ServerProcess) -> None:
    def ask(seed: int) -> int:
        wrong, made = 0, bodies(seed)
        for _ in range(600):
            answer = sent(server, post(next(made)))
            wrong += not answer.startswith((b"HTTP/1.1 200 ", b"HTTP/1.1 400 "))
        return wrong

    with ThreadPoolExecutor(8) as clients:
        assert sum(clients.map(ask, range(8))) == 0


@pytest.mark.parametrize("api", ["REST", "gRPC"])
def test_random_bytes_get_an_answer_or_a_closed_connection(server: ServerProcess, api: str) -> None:
    port = server.rest_port if api == "REST" else server.port

    def ask(seed: int) -> bool:
        chance = random.Random(seed)
        begin = chance.choice((b"", b"GET ", b"POST / HTTP/1.1\r\n", b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"))
        answer = sent(server, begin + chance.randbytes(chance.randint(1, 2000)), port)
        return api == "gRPC" or refused_or_closed(answer)

    with ThreadPoolExecutor(8) as clients:
        assert all(clients.map(ask, range(1500)))


def test_headers_that_lie_get_an_answer_or_a_closed_connection(server: ServerProcess) -> None:
    lies = (
        "Content-Length: -1",
        "Content-Length: 99999999999999999999",
        "Content-Length: 5\r\nContent-Length: 6",
        "Transfer-Encoding: chunked\r\nContent-Length: 5",
        "Transfer-Encoding: gzip",
        "Content-Length: 200000000",
        "\0: x",
        "Cookie: " + "c" * 400_000,
        "\r\n".join(f"X{number}: y" for number in range(40_000)),
    )
    for lie in lies * 5:
        answer = sent(server, f"POST {HALF} HTTP/1.1\r\nHost: h\r\n{lie}\r\n\r\n12345".encode())
        assert refused_or_closed(answer), lie[:100]


def test_broken_and_lying_gzip_is_no_document(server: ServerProcess) -> None:
    zipped = gzip.compress(b'{"instances": [1.0]}')
    bomb = gzip.compress(bytes(MEGABYTES * 3 << 20))
    assert sent(server, post(zipped, "Content-Encoding: gzip")).startswith(b"HTTP/1.1 200 ")
    for body in (b"", zipped[:-3], b"\x1f\x8b" + bytes(100), bomb):
        assert b"JSON Parse error: The document is empty" in sent(server, post(body, "Content-Encoding: gzip"))


@pytest.mark.parametrize(
    "body",
    [
        b"[" * (MEGABYTES << 20),
        b'{"instances": [' + b"[" * (MEGABYTES << 19) + b"]" * (MEGABYTES << 19) + b"]}",
        b'{"instances": ["' + b"x" * (MEGABYTES << 20),
        b'{"instances": [' + b"[]," * (MEGABYTES << 18) + b"[]]}",
        b'{"instances": [' + b"1," * (MEGABYTES << 19) + b"nan]}",
        bytes(MEGABYTES << 20),
        bytes(150 << 20),
    ],
    ids=["depth", "closed depth", "an open string", "empty lists", "an error at the end", "zeros", "too much"],
)
def test_a_hundred_megabytes_are_refused_while_others_are_served(server: ServerProcess, body: bytes) -> None:
    with ThreadPoolExecutor(1) as client:
        answer = client.submit(sent, server, post(body))
        while wait([answer], PAUSE).not_done:
            good(server)
        assert refused_or_closed(answer.result()), answer.result()[:300]


def test_slow_senders_are_ended_while_others_are_served(server: ServerProcess) -> None:
    begun = (b"", b"P", f"POST {HALF} HTTP/1.1\r\nContent-Le".encode(), post(b"x" * 1000)[:-500])
    with contextlib.ExitStack() as stack:
        slow = [
            stack.enter_context(socket.create_connection((HOST, server.rest_port), timeout=PATIENCE))
            for _ in range(200)
        ]
        for number, client in enumerate(slow):
            client.sendall(begun[number % len(begun)])
        good(server)
        assert all(answer == b"" or answer.startswith(b"HTTP/1.1 408 ") for answer in map(said, slow))


def test_slow_readers_are_ended_while_others_are_served(server: ServerProcess) -> None:
    process = psutil.Process(server.child.pid)
    files = process.num_fds()
    question = post(b'{"instances": [0.1' + b", 0.1" * 999_999 + b"]}")
    with contextlib.ExitStack() as stack:
        for _ in range(6):
            client = stack.enter_context(socket.socket())
            client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
            client.settimeout(PATIENCE)
            client.connect((HOST, server.rest_port))
            client.sendall(question)
        good(server)
        until(lambda: process.num_fds() <= files + 2)


CHUNKED = f"POST {HALF} HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n".encode()


@pytest.mark.parametrize(
    "data",
    [
        b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\4\0\0\0\0\0",
        b"\x16\x03\x01\0\xa5\x01\0\0\xa1\x03\x03" + bytes(160),
        b"GET / HTTP/1.1\r\n" + b"X-1: y\r\n" * 1_000_000,
        b"GET / HTTP/1.1\r\nX: " + b"y" * 8_000_000,
        b"GET /" + b"y" * 8_000_000,
        CHUNKED + b"1;e=" + b"y" * 8_000_000,
        CHUNKED + b"1;abcdef=gh\r\n \r\n" * 500_000,
        CHUNKED + b"0\r\n" + b"X: y\r\n" * 1_000_000,
    ],
    ids=["http/2", "tls", "headers", "a header", "a target", "an extension", "extensions", "trailers"],
)
def test_other_protocols_and_endless_heads_are_refused(server: ServerProcess, data: bytes) -> None:
    assert refused_or_closed(sent(server, data))
    sent(server, data[: 1 << 16], server.port)


def test_large_bodies_at_once_are_refused_while_others_are_served(server: ServerProcess) -> None:
    bomb = post(gzip.compress(b" " * (MEGABYTES - 1 << 20)), "Content-Encoding: gzip")
    with ThreadPoolExecutor(8) as clients:
        answers = [clients.submit(sent, server, bomb) for _ in range(8)]
        while wait(answers, PAUSE).not_done:
            good(server)
        assert all(refused_or_closed(answer.result()) for answer in answers)


def test_a_thousand_open_connections_leave_room_for_one_more(server: ServerProcess) -> None:
    with contextlib.ExitStack() as stack:
        for number in range(1000):
            port = server.port if number % 10 == 0 else server.rest_port
            stack.enter_context(socket.create_connection((HOST, port), timeout=PATIENCE))
        for _ in range(20):
            good(server)


def test_cut_connections_leave_nothing_behind(server: ServerProcess) -> None:
    whole = post(json.dumps({"instances": list(range(3000))}).encode())
    chance = random.Random(1)
    for _ in range(1000):
        client = socket.create_connection((HOST, server.rest_port), timeout=PATIENCE)
        client.sendall(whole[: chance.randint(1, len(whole))])
        client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, bytes((1, 0, 0, 0, 0, 0, 0, 0)))
        client.close()


def test_memory_is_given_back(server: ServerProcess) -> None:
    """What a round of attacks costs once, a second round does not cost again."""
    process = psutil.Process(server.child.pid)
    rounds = []
    for seed in (100, 101, 102):
        made = bodies(seed)
        for _ in range(100):
            sent(server, post(next(made)))
        sent(server, post(b'{"instances": [' + b"[1]," * (2 << 20)))
        rounds.append(process.memory_info().rss)
    assert rounds[2] < 1.1 * rounds[1]


def test_more_connections_than_files_are_waited_for() -> None:
    """With 64 files at most, of a hundred clients some wait; when all have left, the next one is answered."""
    port, rest_port = free_port(), free_port()
    program = Path(__file__).with_name("small_server.py")
    limited = ["sh", "-c", 'ulimit -n 64; exec "$@"', "sh", sys.executable, program, "x", str(port), str(rest_port)]
    with subprocess.Popen(limited, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as child:
        assert child.stdout is not None
        assert child.stderr is not None
        assert child.stdout.readline() == "ready\n"
        with contextlib.ExitStack() as clients:
            for _ in range(100):
                clients.enter_context(socket.create_connection((HOST, rest_port), timeout=60))
            until(lambda: "No connection can be accepted: Too many open files" in child.stderr.readline())
        with contextlib.closing(http.client.HTTPConnection(HOST, rest_port, timeout=60)) as connection:
            connection.request("GET", "/")
            assert connection.getresponse().read() == b"x"
        child.kill()
