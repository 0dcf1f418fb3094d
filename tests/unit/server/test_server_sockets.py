"""Ports that two processes share: who else listens, and where the kernel sends new connections. On Linux only."""

from __future__ import annotations

import contextlib
import os
import socket
import subprocess
import sys
from collections.abc import Iterator

from deployer.server import sockets

HOST = "127.0.0.1"


def listener(port: int = 0) -> socket.socket:
    bound = socket.socket()
    bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
    bound.bind((HOST, port))
    bound.listen(128)
    return bound


@contextlib.contextmanager
def another_process(port: int) -> Iterator[None]:
    """A child that listens at the port too."""
    program = (
        "import socket, sys; bound = socket.socket(); bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1);"
        f"bound.bind(('{HOST}', {port})); bound.listen(128); print('ready', flush=True); sys.stdin.read()"
    )
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "text": True}
    with subprocess.Popen([sys.executable, "-c", program], **pipes) as child:
        assert child.stdout is not None
        assert child.stdout.readline() == "ready\n"
        yield
        child.communicate(timeout=60)


def test_own_sockets_are_found_by_their_port() -> None:
    with listener() as bound, socket.create_connection(bound.getsockname()) as client:
        port = bound.getsockname()[1]
        assert sockets.unaccepted(bound) == 1
        accepted, peer = bound.accept()
        with accepted, contextlib.ExitStack() as closing:
            found = [closing.enter_context(each) for each in sockets.connected(port)]
            assert [each.getpeername() for each in found] == [peer] == [client.getsockname()]
            listening = [closing.enter_context(each) for each in sockets.listening(port)]
            assert [os.fstat(each.fileno()).st_ino for each in listening] == [os.fstat(bound.fileno()).st_ino]
        assert (sockets.unaccepted(bound), sockets.others(bound)) == (0, [])


def test_what_a_client_has_not_taken_is_unsent() -> None:
    with listener() as bound, socket.create_connection(bound.getsockname()) as client:
        accepted, _ = bound.accept()
        with accepted:
            assert sockets.unsent(accepted) == 0
            accepted.setblocking(False)
            with contextlib.suppress(BlockingIOError):
                while True:
                    accepted.send(bytes(1 << 20))
            assert sockets.unsent(accepted) > 0
            assert client.recv(10) == bytes(10)


def test_new_connections_go_to_the_process_that_came_last() -> None:
    with listener() as bound:
        port = bound.getsockname()[1]
        bound.setblocking(False)
        with another_process(port):
            assert len(sockets.others(bound)) == 1
            sockets.turn_away([bound])
            for _ in range(64):
                socket.create_connection((HOST, port), timeout=60).close()
            assert sockets.unaccepted(bound) == 0
        assert sockets.others(bound) == []


def test_an_older_process_gets_them_when_the_last_one_leaves() -> None:
    with listener() as first:
        port = first.getsockname()[1]
        with another_process(port), listener(port) as last:
            first.close()
            assert len(sockets.others(last)) == 1
            sockets.turn_away([last])
            for _ in range(64):
                socket.create_connection((HOST, port), timeout=60).close()
            assert sockets.unaccepted(last) == 0
