"""A listening socket goes from one server to the next at the same address, and to nobody else. On Linux only."""

from __future__ import annotations

import asyncio
import os
import socket
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest

from deployer.server.http import socket_handover
from deployer.server.http.socket_handover import SocketOffer, offer_socket, take_over_socket

PATIENCE = 60.0


@pytest.fixture
def bound() -> Iterator[socket.socket]:
    """A listening socket of a port that may be shared."""
    with shared(0) as listening:
        listening.listen()
        yield listening


def shared(port: int) -> socket.socket:
    found = socket.socket()
    found.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
    found.bind(("127.0.0.1", port))
    return found


def offered(bound: socket.socket) -> SocketOffer:
    made = offer_socket(bound)
    assert made is not None
    return made


async def taken(bound: socket.socket) -> socket.socket | None:
    """As another process would: the event loop of the one that offers goes on."""
    with ThreadPoolExecutor(1) as aside, shared(bound.getsockname()[1]) as beside:
        return await asyncio.get_running_loop().run_in_executor(aside, take_over_socket, beside)


async def until(condition: Callable[[], object]) -> None:
    end = asyncio.get_running_loop().time() + PATIENCE
    while not condition():
        assert asyncio.get_running_loop().time() < end
        await asyncio.sleep(0.01)


def test_what_waits_in_the_queue_of_one_is_accepted_by_the_other(bound: socket.socket) -> None:
    async def scene() -> None:
        made = offered(bound)
        assert not made.has_successor
        passed = await taken(bound)
        assert passed is not None
        assert made.has_successor
        with socket.create_connection(bound.getsockname(), timeout=PATIENCE) as client:
            made.close()
            bound.close()
            with passed:
                accepted, _ = passed.accept()
                with accepted:
                    accepted.sendall(b"answered")
                    assert client.recv(8) == b"answered"

    asyncio.run(scene())


def test_a_process_that_has_ended_goes_on_no_more(bound: socket.socket) -> None:
    async def scene() -> None:
        made = offered(bound)
        for _ in range(2):
            passed = await taken(bound)
            assert passed is not None
            passed.close()
        socket_handover._predecessors.pop().close()
        assert made.has_successor
        socket_handover._predecessors.pop().close()
        await until(lambda: not made.has_successor)
        made.close()

    asyncio.run(scene())


def test_nothing_is_taken_where_nothing_is_offered_and_offered_where_a_port_is_not_shared(bound: socket.socket) -> None:
    async def scene() -> None:
        assert await taken(bound) is None
        offered(bound).close()
        assert await taken(bound) is None
        with socket.create_server(("127.0.0.1", 0)) as alone:
            assert offer_socket(alone) is None

    asyncio.run(scene())


def test_sockets_go_to_and_come_from_the_same_user_alone(bound: socket.socket, monkeypatch: pytest.MonkeyPatch) -> None:
    async def scene() -> None:
        made, user = offered(bound), os.geteuid()
        monkeypatch.setattr(socket_handover.os, "geteuid", lambda: user + 1)
        assert await taken(bound) is None
        await asyncio.sleep(0)
        assert not made.has_successor
        made.close()

    asyncio.run(scene())
