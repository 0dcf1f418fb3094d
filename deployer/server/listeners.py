"""The ports: gRPC and REST on a pair of addresses, a second pair on demand, and closing them with a drain."""

from __future__ import annotations

import dataclasses
import socket
import threading
from collections.abc import Sequence
from typing import Any

import grpc

from deployer.server.grpc.limit import Limited, Workers
from deployer.server.http.passing import take
from deployer.server.http.server import BACKLOG, HttpServer
from deployer.server.log import LOG

ALL_INTERFACES = "0.0.0.0"  # noqa: S104 - TensorFlow Serving listens there unless told otherwise
_UNLIMITED = -1


class PortError(Exception):
    """gRPC cannot listen where it should."""


@dataclasses.dataclass(frozen=True)
class Address:
    """Where to listen: one host, a gRPC port and a REST port (0 is none), and perhaps a UNIX socket for gRPC."""

    host: str
    port: int
    rest_port: int
    grpc_socket: str = ""


@dataclasses.dataclass(frozen=True)
class GrpcRules:
    """How a gRPC server is run: the most threads that it may have, and services with threads of their own.

    `credentials` are those of TLS, None is none.
    """

    threads: int
    options: Sequence[tuple[str, Any]] = ()
    credentials: Any = None
    unlimited: Sequence[Any] = ()


def grpc_server(handlers: Sequence[Any], address: Address, rules: GrpcRules) -> grpc.Server:
    """Return a gRPC server that listens and is not yet started; raises PortError."""
    unlimited = [("grpc.max_receive_message_length", _UNLIMITED), ("grpc.max_send_message_length", _UNLIMITED)]
    workers = Workers(rules.threads)
    server = grpc.server(workers, options=[*unlimited, *rules.options])
    server.add_generic_rpc_handlers([*rules.unlimited, Limited(handlers, workers)])
    targets = [f"{_bracketed(address.host or ALL_INTERFACES)}:{address.port}"] if address.port else []
    targets += [f"unix:{address.grpc_socket}"] if address.grpc_socket else []
    for target in targets:
        try:
            bound = _add_port(server, target, rules.credentials)
        except RuntimeError as error:
            raise PortError(target) from error
        if not bound:
            raise PortError(target)
    return server


def _add_port(server: grpc.Server, target: str, credentials: Any) -> int:
    if credentials is None:
        return int(server.add_insecure_port(target))
    return int(server.add_secure_port(target, credentials))


def _bracketed(host: str) -> str:
    return f"[{host}]" if ":" in host else host


def rest_socket(host: str, port: int, reuse_port: bool) -> socket.socket:
    """Return a listening TCP socket, that of a server before this one where it offers its own; raises OSError.

    An empty host is every interface, IPv6 and IPv4.
    """
    if not host and socket.has_dualstack_ipv6():
        try:
            return _bound(socket.AF_INET6, "::", port, reuse_port)
        except OSError:
            LOG.info("IPv6 cannot be had on port %d; trying IPv4", port)
    return _bound(socket.AF_INET6 if ":" in host else socket.AF_INET, host or ALL_INTERFACES, port, reuse_port)


def _bound(family: int, host: str, port: int, reuse_port: bool) -> socket.socket:
    bound = socket.socket(family, socket.SOCK_STREAM)
    try:
        bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if reuse_port:
            bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
        if family == socket.AF_INET6:
            bound.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, host != "::")
        bound.bind((host, port))
        if reuse_port and (passed := take(bound)) is not None:
            bound.close()
            return passed
        bound.listen(BACKLOG)
    except BaseException:
        bound.close()
        raise
    return bound


class Listeners:
    """Every port of the process: the private pair at once, the public pair when it is told to."""

    def __init__(
        self,
        handlers: Sequence[Any],
        rest: HttpServer,
        rules: GrpcRules,
        drain_seconds: float,
    ) -> None:
        self._handlers = handlers
        self._rules = rules
        self._drain_seconds = drain_seconds
        self._grpc: list[grpc.Server] = []
        self._rest = rest

    def open_private(self, address: Address, reuse_port: bool) -> None:
        """Open the first pair; a REST port that is taken is logged, and gRPC goes on alone. Raises PortError."""
        self._open_grpc(address)
        LOG.info("Running gRPC ModelServer at %s:%d ...", address.host or ALL_INTERFACES, address.port)
        if not address.rest_port:
            return
        shown = f"{address.host or 'localhost'}:{address.rest_port}"
        if address.rest_port == address.port:
            LOG.error("rest_api_port cannot be same as port: %s", shown)
            return
        try:
            self._rest.open(rest_socket(address.host, address.rest_port, reuse_port))
        except OSError as error:
            LOG.error("Failed to start HTTP Server at %s: %s", shown, error.strerror)
            return
        LOG.info("Exporting HTTP/REST API at:%s ...", shown)

    def open_public(self, address: Address) -> None:
        """Open the second pair beside whoever listens there already; raises PortError or OSError."""
        if address.rest_port:
            self._rest.open(rest_socket(address.host, address.rest_port, reuse_port=True))
        if address.port:
            self._open_grpc(address)
        host = address.host or ALL_INTERFACES
        LOG.info("Serving on public ports: gRPC %s:%d, REST %s:%d", host, address.port, host, address.rest_port)

    def close(self) -> None:
        """Refuse new requests and let those in flight finish, for `drain_seconds` at most."""
        closing = [
            threading.Thread(target=self._close_grpc, args=(server,), name="grpc-close") for server in self._grpc
        ]
        for thread in closing:
            thread.start()
        self._rest.close(self._drain_seconds)
        for thread in closing:
            thread.join()

    def _close_grpc(self, server: grpc.Server) -> None:
        server.stop(self._drain_seconds).wait(self._drain_seconds)

    def _open_grpc(self, address: Address) -> None:
        server = grpc_server(self._handlers, address, self._rules)
        server.start()
        self._grpc.append(server)
