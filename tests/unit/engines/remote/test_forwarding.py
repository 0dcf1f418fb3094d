"""Local ports that lead to another machine: bytes in both directions, in the frames of an engine."""

from __future__ import annotations

import socket
import threading

import pytest

from deployer.engines.docker.remote import frames
from deployer.engines.docker.remote.forwarding import Forwarder
from deployer.engines.docker.remote.frames import HEADER, read_output, take_frames
from deployer.errors import EngineError

SECONDS = 60.0


def frame(data: bytes, kind: int = 1) -> bytes:
    return HEADER.pack(kind, len(data)) + data


class Remote:
    """A process of the helper: `ends` are our ends of its streams."""

    def __init__(self) -> None:
        self.asked: list[tuple[str, int]] = []
        self.ends: list[socket.socket] = []

    def connect(self, host: str, port: int) -> socket.socket:
        self.asked.append((host, port))
        here, there = socket.socketpair()
        there.settimeout(SECONDS)
        self.ends.append(there)
        return here


def connected(port: int) -> socket.socket:
    return socket.create_connection(("127.0.0.1", port), SECONDS)


def received(sock: socket.socket, size: int) -> bytes:
    data = b""
    while len(data) < size and (chunk := sock.recv(size - len(data))):
        data += chunk
    return data


@pytest.fixture
def remote():
    return Remote()


@pytest.fixture
def forwarder(remote):
    forwarder = Forwarder(remote.connect)
    yield forwarder
    forwarder.close()


def test_nothing_is_connected_before_a_client_is(remote, forwarder):
    assert forwarder.local_port("127.0.0.1", 8501) == forwarder.local_port("127.0.0.1", 8501)
    assert forwarder.local_port("127.0.0.1", 8500) != forwarder.local_port("127.0.0.1", 8501)
    assert remote.asked == []


def test_bytes_go_both_ways(remote, forwarder):
    with connected(forwarder.local_port("172.18.0.2", 8501)) as client:
        client.sendall(b"question")
        while not remote.ends:
            threading.Event().wait(0.01)
        (there,) = remote.ends
        assert received(there, 8) == b"question"
        there.sendall(frame(b"an")[:5])
        there.sendall(frame(b"an")[5:] + frame(b"not for clients", kind=2) + frame(b"swer"))
        assert received(client, 6) == b"answer"
    assert remote.asked == [("172.18.0.2", 8501)]
    assert there.recv(1) == b""


def test_much_goes_both_ways_at_once(remote, forwarder):
    much = bytes(range(256)) * 20_000
    with connected(forwarder.local_port("h", 1)) as client:
        client.sendall(b"x")
        while not remote.ends:
            threading.Event().wait(0.01)
        (there,) = remote.ends
        sending = [threading.Thread(target=client.sendall, args=(much,)),
                   threading.Thread(target=there.sendall, args=(frame(much),))]  # fmt: skip
        for thread in sending:
            thread.start()
        assert received(there, len(much) + 1) == b"x" + much
        assert received(client, len(much)) == much
        for thread in sending:
            thread.join(SECONDS)


def test_the_last_bytes_arrive_although_the_process_has_ended(remote, forwarder):
    with connected(forwarder.local_port("h", 1)) as client:
        while not remote.ends:
            threading.Event().wait(0.01)
        remote.ends[0].sendall(frame(b"last words"))
        remote.ends[0].close()
        assert received(client, 100) == b"last words"


def test_a_connection_that_fails_there_is_closed_here(forwarder, monkeypatch):
    def refuse(host: str, port: int) -> socket.socket:
        raise EngineError(f"{host}:{port}")

    monkeypatch.setattr(forwarder, "connect", refuse)
    with connected(forwarder.local_port("h", 1)) as client:
        assert client.recv(1) == b""


def test_frames_are_taken_when_they_are_complete():
    sent = bytearray(frame(b"one") + frame(b"two", kind=2)[:9])
    assert list(take_frames(sent)) == [(1, b"one")]
    sent += frame(b"two", kind=2)[9:]
    assert list(take_frames(sent)) == [(2, b"two")]
    assert sent == b""


def test_the_output_of_a_process_is_read_to_its_end():
    here, there = socket.socketpair()
    with here, there:
        there.sendall(frame(b"out") + frame(b"err", kind=2) + frame(b"put"))
        there.shutdown(socket.SHUT_WR)
        assert read_output(here, 30, lambda: None) == (b"output", b"err")


def test_a_stream_that_an_engine_does_not_close_ends_with_its_container(monkeypatch):
    monkeypatch.setattr(frames, "SILENT_SECONDS", 0.01)
    asked: list[bool] = []

    def check() -> None:
        asked.append(True)
        if len(asked) > 1:
            raise EngineError("the container has ended")

    here, there = socket.socketpair()
    with here, there:
        there.sendall(frame(b"out"))
        with pytest.raises(EngineError, match="ended"):
            read_output(here, 30, check)
        with pytest.raises(TimeoutError):
            read_output(here, 0, lambda: None)
