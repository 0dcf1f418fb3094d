"""The address that ports are bound to: every spelling becomes an IP address or is refused at once."""

from __future__ import annotations

import socket
import threading

import pytest

from deployer.config import hosts, loader
from deployer.errors import ConfigError, InvalidValue


@pytest.mark.parametrize(
    ("host", "address"),
    [
        ("127.0.0.1", "127.0.0.1"), ("127.0.0.2", "127.0.0.2"), ("0.0.0.0", "0.0.0.0"), ("192.0.2.7", "192.0.2.7"),
        ("::1", "::1"), ("0:0:0:0:0:0:0:1", "::1"), ("::", "::"), ("::ffff:127.0.0.1", "127.0.0.1"),
        ("2001:DB8::1", "2001:db8::1"), ("localhost", "127.0.0.1"), ("LOCALHOST", "127.0.0.1"),
    ],
)  # fmt: skip
def test_addresses_and_names_of_loopback_become_an_address(host, address):
    assert hosts.resolve_host(host) == address


@pytest.mark.parametrize(
    "host",
    [
        "", " ", "127.1", "0", "1", "127.0.0", "0x7f000001", "0177.0.0.1", "2130706433", "127.0.0.01", "127.0.0.256",
        "[::1]", "[::]", "::1%lo", "fe80::1%1", "127.0.0.1:8501", "localhost:8501", "[::1]:8501", "http://localhost",
        "*", "a b", "nul\0byte", "local\nhost", "-x", "ü", "unix@x", "/var/run/x.sock",
        "224.0.0.1", "255.255.255.255", "ff02::1",
        "a" * 300, "no-such-name.invalid",
    ],
)  # fmt: skip
def test_everything_else_is_refused(host):
    with pytest.raises(InvalidValue):
        hosts.resolve_host(host)


@pytest.mark.parametrize(
    ("host", "fault"), [("300.1.1.1", "300"), ("10.0.0.256", "256"), ("1.999.1.1", "999"), ("127.0.0.01", "begins")]
)
def test_the_number_of_an_address_that_is_at_fault_is_named(host, fault):
    with pytest.raises(InvalidValue) as refused:
        hosts.resolve_host(host)
    assert fault in refused.value.message.replace(host, "")


def resolving(monkeypatch: pytest.MonkeyPatch, *addresses: str) -> None:
    found = [(socket.AF_INET6 if ":" in each else socket.AF_INET, 1, 6, "", (each, 0)) for each in addresses]
    monkeypatch.setattr(socket, "getaddrinfo", lambda *_, **__: found)


def test_a_name_is_taken_when_all_its_addresses_are_loopback_ipv4_first(monkeypatch):
    resolving(monkeypatch, "::1", "127.0.1.1")
    assert hosts.resolve_host("this-machine") == "127.0.1.1"
    resolving(monkeypatch, "::1")
    assert hosts.resolve_host("ip6-localhost") == "::1"
    resolving(monkeypatch, "127.0.0.1", "192.0.2.7")
    with pytest.raises(InvalidValue, match=r"192\.0\.2\.7"):
        hosts.resolve_host("both")


def test_a_resolver_that_does_not_answer_is_not_waited_for(monkeypatch):
    answer = threading.Event()
    monkeypatch.setattr(hosts, "RESOLVE_SECONDS", 0.05)
    monkeypatch.setattr(socket, "getaddrinfo", lambda *_, **__: answer.wait(60) and [])
    with pytest.raises(InvalidValue, match="not resolved within"):
        hosts.resolve_host("slow")
    answer.set()


def test_an_ipv6_address_is_refused_where_there_is_no_ipv6(monkeypatch):
    class None6(socket.socket):
        def bind(self, address):
            raise OSError(99, "Cannot assign requested address")

    hosts.check_family("127.0.0.1")
    monkeypatch.setattr(socket, "socket", None6)
    hosts.check_family("0.0.0.0")
    for host in ("::1", "::"):
        with pytest.raises(ConfigError, match="no IPv6"):
            hosts.check_family(host)


@pytest.mark.parametrize("host", ["", "127.1", "[::1]", "no-such-name.invalid"])
def test_files_variables_and_options_are_refused_alike(tmp_path, host):
    file = tmp_path / "d.toml"
    file.write_text(f'[server]\nhost = "{host}"\n')
    ways = (
        (lambda: loader.load(file, environ={}), f"{file}: server.host"),
        (lambda: loader.load(environ={"DEPLOYER_SERVER_HOST": host}), "DEPLOYER_SERVER_HOST"),
        (lambda: loader.load(overrides={"server.host": host}, environ={}), "--host"),
        (lambda: loader.load(overrides={"server.host": host}, environ={"DEPLOYER_ENV": "local"}), "--host"),
    )
    for load, where in ways:
        with pytest.raises(ConfigError) as refused:
            load()
        assert refused.value.message.startswith(where)
        assert refused.value.hint


def test_a_name_leaves_the_configuration_as_an_address(tmp_path):
    file = tmp_path / "d.toml"
    file.write_text('[server]\nhost = "localhost"\n')
    assert loader.load(file, environ={}).server.host == "127.0.0.1"
    assert loader.load(environ={"DEPLOYER_SERVER_HOST": "localhost"}).server.host == "127.0.0.1"
    assert loader.load(overrides={"server.host": "localhost"}, environ={}).server.host == "127.0.0.1"
    assert loader.load(environ={}).server.host is None
    assert loader.load(environ={}).server.address == "127.0.0.1"
