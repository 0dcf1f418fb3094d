"""Ports: free, taken and by whom, held until the server has them."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
from collections.abc import Iterator

import pytest
from support.world import free_port, listens

from deployer.engines import ports
from deployer.errors import EngineError, PortTaken

HOST = "127.0.0.1"


@pytest.fixture
def listener() -> Iterator[int]:
    """A port on which this process listens."""
    with socket.create_server((HOST, 0)) as sock:
        yield sock.getsockname()[1]


def test_a_free_port_is_free_and_stays_so():
    port = free_port()
    ports.check_free(HOST, port)
    ports.check_free(HOST, port)
    ports.check_free(HOST, 0)


@pytest.mark.parametrize("host", [HOST, "0.0.0.0", "localhost"])
def test_a_taken_port_is_refused_with_its_holders_name(listener, host):
    with pytest.raises(PortTaken, match=rf"port {listener} on {host} is taken by process {os.getpid()} \("):
        ports.check_free(host, listener)
    with pytest.raises(PortTaken):
        ports.hold(host, listener)


def test_a_server_that_shares_its_port_does_not_share_it_with_us():
    with socket.socket() as other:
        other.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
        other.bind((HOST, 0))
        other.listen()
        with pytest.raises(PortTaken):
            ports.check_free(HOST, other.getsockname()[1])


def just_left(*, shared: bool) -> int:
    """A port whose server has ended and whose last connection lingers in TIME_WAIT."""
    with socket.create_server((HOST, 0), reuse_port=shared) as sock:
        port = int(sock.getsockname()[1])
        with socket.create_connection((HOST, port)) as client:
            accepted, _ = sock.accept()
            accepted.close()
            assert client.recv(1) == b""
    return port


def test_a_port_that_our_own_server_just_left_can_be_held_again():
    port = just_left(shared=True)
    ports.check_free(HOST, port)
    ports.release([ports.hold(HOST, port)])


def test_the_preferred_port_is_one_that_can_be_held_also_after_a_server_that_did_not_share():
    held = ports.hold(HOST, ports.first_free(HOST, just_left(shared=False)))
    assert held.port > 0
    ports.release([held])


def test_the_preferred_port_when_it_is_free_else_any(listener):
    port = free_port()
    assert ports.first_free(HOST, port) == port
    assert ports.first_free(HOST, listener) == 0


def test_a_held_port_is_nobody_elses_and_nobody_gets_through():
    held = ports.hold(HOST, 0)
    assert held.port == held.sock.getsockname()[1] > 0
    with pytest.raises(PortTaken):
        ports.check_free(HOST, held.port)
    assert not listens(held.port)
    ports.release([held])
    ports.check_free(HOST, held.port)


SHARE = """
import socket, sys
sock = socket.socket()
sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
sock.bind(("127.0.0.1", int(sys.argv[1])))
sock.listen()
print("listening", flush=True)
sys.stdin.read()
"""


def test_a_child_that_inherits_it_can_share_it_and_keeps_it():
    held = ports.hold(HOST, 0)
    child = subprocess.Popen(
        [sys.executable, "-c", SHARE, str(held.port)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        pass_fds=[held.sock.fileno()],
    )
    try:
        assert child.stdout is not None
        assert child.stdout.readline() == "listening\n"
        ports.release([held])
        assert listens(held.port)
        with pytest.raises(PortTaken, match=f"process {child.pid} "):
            ports.check_free(HOST, held.port)
    finally:
        child.communicate(timeout=60)


def test_any_free_port_is_none_that_the_system_gives_to_those_who_connect(monkeypatch, tmp_path):
    first = int(ports.EPHEMERAL_RANGE_FILE.read_text().split()[0])
    found = {ports.any_free(HOST) for _ in range(20)}
    assert len(found) > 1
    assert all(ports.LOWEST_PORT <= port < first for port in found)
    assert not any(map(listens, found))
    monkeypatch.setattr(ports, "EPHEMERAL_RANGE_FILE", tmp_path / "none")
    assert ports.any_free(HOST) < 32_768


@pytest.mark.parametrize("first", [0, ports.LOWEST_PORT + 1])
def test_where_none_is_left_below_any_other_will_do(monkeypatch, tmp_path, first):
    monkeypatch.setattr(ports, "EPHEMERAL_RANGE_FILE", tmp_path / "range")
    ports.EPHEMERAL_RANGE_FILE.write_text(f"{first}\t60999\n")
    assert ports.any_free(HOST, ports.LOWEST_PORT) != ports.LOWEST_PORT


def test_held_ports_are_all_different():
    held = [ports.hold(HOST, 0) for _ in range(20)]
    assert len({port.port for port in held}) == 20
    ports.release(held)
    ports.release(held)


def test_an_address_that_cannot_be_bound_is_named_without_a_port_that_was_not_chosen():
    for act in (ports.any_free, lambda host: ports.first_free(host, 8501), lambda host: ports.hold(host, 0)):
        with pytest.raises(EngineError) as refused:
            act("192.0.2.1")
        assert "cannot bind the address 192.0.2.1: " in refused.value.message


@pytest.mark.parametrize("host", ["nul\0byte", "192.0.2.1", "2001:db8::1"])
def test_a_host_that_cannot_be_bound_is_an_engine_error(host):
    for act in (ports.check_free, ports.hold):
        with pytest.raises(EngineError, match="cannot bind") as refused:
            act(host, 0)
        assert not isinstance(refused.value, PortTaken)
        assert refused.value.hint == "check the host setting"


@pytest.mark.parametrize(
    ("host", "url"),
    [
        (HOST, HOST), ("0.0.0.0", HOST), ("", HOST), ("localhost", "localhost"), ("10.0.0.7", "10.0.0.7"),
        ("::1", "[::1]"), ("::", "[::1]"), ("fe80::2", "[fe80::2]"),
    ],
)  # fmt: skip
def test_a_host_as_a_client_on_this_machine_reaches_it(host, url):
    assert ports.url_host(host) == url
