"""TCP ports: find a free one, and hold one until the server has started."""

from __future__ import annotations

import contextlib
import errno
import random
import socket
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

import psutil

from deployer.engines.port_holders import PortHolder, process_holder
from deployer.errors import EngineError, PortTaken

LOWEST_PORT = 20_000
ATTEMPTS = 20
HOST_HINT = "check the host setting"
UNPRIVILEGED_FILE = Path("/proc/sys/net/ipv4/ip_unprivileged_port_start")
EPHEMERAL_RANGE_FILE = Path("/proc/sys/net/ipv4/ip_local_port_range")

ANY_ADDRESS = {"0.0.0.0": "127.0.0.1", "::": "::1", "": "127.0.0.1"}  # noqa: S104 - read, never bound unasked
"""The wildcard addresses, and the loopback address that reaches a server bound to each."""


@dataclass(frozen=True)
class HeldPort:
    """A port that is bound but not listened on; a child process that inherits `sock` can share it."""

    port: int
    sock: socket.socket


def client_host(host: str) -> str:
    """Return the address at which a client on this machine reaches a server bound to `host`."""
    return ANY_ADDRESS.get(host, host)


def url_host(host: str) -> str:
    """Return the address of a server bound to `host`, as it is written in a URL."""
    return f"[{client_host(host)}]" if ":" in host else client_host(host)


def check_free(host: str, port: int) -> None:
    """Raise PortTaken, which names the holder, if the port cannot be bound."""
    # The probe does not share the port: servers that share one would mix their answers.
    with _socket(host, share=False) as probe:
        _bind(probe, host, port)


def check_host(host: str) -> None:
    """Raise EngineError if no port can be bound on the host."""
    with _socket(host, share=False) as probe:
        _bind(probe, host, 0)


def first_free(host: str, *preferred: int | None) -> int:
    """Return the first of the preferred ports that is free and can be held, or 0."""
    # Connections of a server that did not share its port block it for a minute after their end.
    for port in filter(None, preferred):
        with contextlib.suppress(PortTaken):
            check_free(host, port)
            release([hold(host, port)])
            return port
    return 0


def any_free(host: str, *exclude: int | None) -> int:
    """Return a free port that is not in `exclude`. Raise EngineError.

    The port is not held: a container binds it later, and again on each restart. It is taken from below the ephemeral
    range, from which the system serves outgoing connections, so it stays free.
    """
    range_below = range(LOWEST_PORT, _first_ephemeral_port())
    for port in random.sample(range_below, min(ATTEMPTS, len(range_below))):
        with contextlib.suppress(PortTaken):
            check_free(host, port)
            if port not in exclude:
                return port
    held = hold(host, 0)
    release([held])
    return held.port


def first_unprivileged() -> int:
    """Return the first port that needs no privilege."""
    try:
        return int(UNPRIVILEGED_FILE.read_text(encoding="ascii"))
    except (OSError, ValueError):
        return 1024


def _first_ephemeral_port() -> int:
    try:
        return int(EPHEMERAL_RANGE_FILE.read_text(encoding="ascii").split()[0])
    except (OSError, ValueError, IndexError):
        return 1 << 15


def hold(host: str, port: int) -> HeldPort:
    """Bind a port, or a free one for 0, such that only this process and its children can share it."""
    sock = _socket(host, share=True)
    try:
        _bind(sock, host, port)
    except BaseException:
        sock.close()
        raise
    sock.set_inheritable(True)
    return HeldPort(sock.getsockname()[1], sock)


def release(held: Iterable[HeldPort]) -> None:
    """Close the held ports in this process; a child that inherited them keeps them."""
    for port in held:
        port.sock.close()


def _socket(host: str, *, share: bool) -> socket.socket:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    sock = socket.socket(family, socket.SOCK_STREAM)
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT if share else socket.SO_REUSEADDR, 1)
    return sock


def _bind(sock: socket.socket, host: str, port: int) -> None:
    try:
        sock.bind((host, port))
    except OSError as error:
        raise _bind_error(host, port, error) from error
    except (TypeError, UnicodeError) as error:
        raise EngineError(f"cannot bind {host!r}: {error}", hint=HOST_HINT) from error


def _bind_error(host: str, port: int, error: OSError) -> EngineError:
    if error.errno == errno.EADDRINUSE:
        return PortTaken(
            f"port {port} on {host} is taken by {holder(port)}",
            port=port,
            hint="choose another, or 0 for any free one",
        )
    if error.errno == errno.EACCES:
        return EngineError(f"port {port} needs privileges that this user lacks", hint="choose one from 1024 up")
    # The address is what cannot be bound, whatever the port, which the user may not have chosen.
    return EngineError(f"cannot bind the address {host}: {error.strerror or error}", hint=HOST_HINT)


def holder(port: int) -> PortHolder:
    """Return what listens on a port, as far as this user may see it."""
    return process_holder(port)


def count_listeners(port: int) -> int:
    """Return how many sockets listen on a port; several if processes share it. 0 if that cannot be read."""
    try:
        listed = psutil.net_connections("tcp")
    except (psutil.Error, OSError):
        return 0
    return sum(1 for each in listed if each.status == psutil.CONN_LISTEN and each.laddr and each.laddr.port == port)
