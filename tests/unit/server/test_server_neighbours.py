"""Letter boxes: connections go from one server to another that has the same port, and to nobody else. On Linux only."""

from __future__ import annotations

import asyncio
import os
import socket
from collections.abc import Iterator

import pytest

from deployer.server.http import neighbours
from deployer.server.http.neighbours import LetterBox, letter_box, neighbour

PATIENCE = 60.0


@pytest.fixture
def bound() -> Iterator[socket.socket]:
    """A listening socket of a port that may be shared."""
    with socket.socket() as listening:
        listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
        listening.bind(("127.0.0.1", 0))
        listening.listen()
        yield listening


def opened(bound: socket.socket, delivered: list[socket.socket]) -> LetterBox:
    box = letter_box(bound, delivered.append)
    assert box is not None
    return box


async def until_delivered(delivered: list[socket.socket], count: int) -> None:
    end = asyncio.get_running_loop().time() + PATIENCE
    while len(delivered) < count:
        assert asyncio.get_running_loop().time() < end
        await asyncio.sleep(0.01)


def close(delivered: list[socket.socket]) -> None:
    for each in delivered:
        each.close()


def test_a_connection_goes_on_with_what_its_client_has_sent_already(bound: socket.socket) -> None:
    async def scene() -> None:
        delivered: list[socket.socket] = []
        box = opened(bound, delivered)
        other = neighbour(bound)
        assert other is not None
        with socket.create_connection(bound.getsockname(), timeout=PATIENCE) as client:
            accepted, _ = bound.accept()
            client.sendall(b"asked")
            assert other.takes(accepted.fileno())
            accepted.close()
            await until_delivered(delivered, 1)
            assert delivered[0].recv(5) == b"asked"
            delivered[0].sendall(b"answered")
            assert client.recv(8) == b"answered"
        other.close()
        box.close()
        close(delivered)

    asyncio.run(scene())


def test_a_full_box_refuses_and_takes_again_when_it_was_emptied(bound: socket.socket) -> None:
    async def scene() -> None:
        delivered: list[socket.socket] = []

        def deliver(connection: socket.socket) -> None:
            connection.close()
            delivered.append(connection)

        box = letter_box(bound, deliver)
        assert box is not None
        other = neighbour(bound)
        assert other is not None
        taken = 0
        while other.takes(bound.fileno()):
            taken += 1
        await until_delivered(delivered, taken)
        assert other.takes(bound.fileno())
        box.close()  # what was sent before it closes is delivered
        assert len(delivered) == taken + 1 > 1
        assert not other.takes(bound.fileno())
        other.close()

    asyncio.run(scene())


def test_nobody_is_found_who_is_not_there_or_does_not_share_the_port(bound: socket.socket) -> None:
    async def scene() -> None:
        assert neighbour(bound) is None
        opened(bound, []).close()
        assert neighbour(bound) is None
        with socket.create_server(("127.0.0.1", 0)) as alone:
            assert letter_box(alone, [].append) is None

    asyncio.run(scene())


def test_connections_go_to_and_come_from_the_same_user_alone(
    bound: socket.socket, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def scene() -> None:
        delivered: list[socket.socket] = []
        box, user = opened(bound, delivered), os.geteuid()
        monkeypatch.setattr(neighbours.os, "geteuid", lambda: user + 1)
        assert neighbour(bound) is None
        monkeypatch.setattr(neighbours.os, "geteuid", lambda: user)
        other = neighbour(bound)
        assert other is not None
        monkeypatch.setattr(neighbours.os, "geteuid", lambda: user + 1)
        other.takes(bound.fileno())
        box.close()
        assert delivered == []
        other.close()

    asyncio.run(scene())
