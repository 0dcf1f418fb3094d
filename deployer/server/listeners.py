"""The ports: gRPC and REST on a private address, a public pair on demand, and draining."""

from __future__ import annotations

import dataclasses
import socket
import threading
from collections.abc import Sequence
from typing import Any

import grpc

from deployer.server.grpc.limit import LimitedHandlers, WorkerPool
from deployer.server.http.server import BACKLOG, HttpServer
from deployer.server.http.socket_handover import take_over_socket
from deployer.server.log import LOG

ALL_INTERFACES = "0.0.0.0"  # noqa: S104 - TensorFlow Serving's default
_UNLIMITED = -1


class PortError(Exception):
    """gRPC cannot listen on an address."""


@dataclasses.dataclass(frozen=True)
class Address:
    """Where to listen: host, gRPC port and REST port (0 is none), and an optional UNIX socket for gRPC."""

    host: str
    port: int
    rest_port: int
    grpc_socket: str = ""


@dataclasses.dataclass(frozen=True)
class GrpcOptions:
    """Options of a gRPC server: thread limit, channel arguments, TLS credentials (None for plain text).

    `extra_handlers` are services with threads of their own.
    """

    threads: int
    options: Sequence[tuple[str, Any]] = ()
    credentials: Any = None
    extra_handlers: Sequence[Any] = ()


def grpc_server(handlers: Sequence[Any], address: Address, rules: GrpcOptions) -> grpc.Server:
    """Return a gRPC server that listens and is not started yet. Raises PortError."""
    extra_handlers = [("grpc.max_receive_message_length", _UNLIMITED), ("grpc.max_send_message_length", _UNLIMITED)]
    workers = WorkerPool(rules.threads)
    server = grpc.server(workers, options=[*extra_handlers, *rules.options])
    server.add_generic_rpc_handlers([*rules.extra_handlers, LimitedHandlers(handlers, workers)])
    targets = [f"{_format_host(address.host or ALL_INTERFACES)}:{address.port}"] if address.port else []
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


def _format_host(host: str) -> str:
    return f"[{host}]" if ":" in host else host


def rest_socket(host: str, port: int, reuse_port: bool) -> socket.socket:
    """Return a listening TCP socket, the one of a previous server if that offers it. Raises OSError.

    An empty host means every interface, IPv6 and IPv4.
    """
    if not host and socket.has_dualstack_ipv6():
        try:
            return _bind(socket.AF_INET6, "::", port, reuse_port)
        except OSError:
            LOG.info("IPv6 cannot be had on port %d; trying IPv4", port)
    return _bind(socket.AF_INET6 if ":" in host else socket.AF_INET, host or ALL_INTERFACES, port, reuse_port)


def _bind(family: int, host: str, port: int, reuse_port: bool) -> socket.socket:
    bound = socket.socket(family, socket.SOCK_STREAM)
    try:
        bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if reuse_port:
            bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
        if family == socket.AF_INET6:
            bound.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, host != "::")
        bound.bind((host, port))
        if reuse_port and (passed := take_over_socket(bound)) is not None:
            bound.close()
            return passed
        bound.listen(BACKLOG)
    except BaseException:
        bound.close()
        raise
    return bound


class Listeners:
    """Every port of the process: the private pair at the start, the public pair on demand."""

    def __init__(
        self,
        handlers: Sequence[Any],
        rest: HttpServer,
        rules: GrpcOptions,
        drain_seconds: float,
    ) -> None:
        self._handlers = handlers
        self._rules = rules
        self._drain_seconds = drain_seconds
        self._grpc: list[grpc.Server] = []
        self._rest = rest

    def open_private(self, address: Address, reuse_port: bool) -> None:
        """Open the private pair; a REST port in use is logged and leaves gRPC alone. Raises PortError."""
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
        """Open the public pair, even if another process listens there. Raises PortError, OSError."""
        if address.rest_port:
            self._rest.open(rest_socket(address.host, address.rest_port, reuse_port=True))
        if address.port:
            self._open_grpc(address)
        host = address.host or ALL_INTERFACES
        LOG.info("Serving on public ports: gRPC %s:%d, REST %s:%d", host, address.port, host, address.rest_port)

    def close(self) -> None:
        """Refuse new requests and wait for those in flight, for `drain_seconds` at most."""
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
