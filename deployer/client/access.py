"""Connections to a server, through the gateway in front of it: with its bearer token and its certificate.

The files of both are read for each client: an update of the gateway may change them.
"""

from __future__ import annotations

import ssl
import time
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from deployer.errors import RequestFailed
from deployer.results.deployment import Gateway

if TYPE_CHECKING:
    from grpc import Channel, aio
    from urllib3 import HTTPConnectionPool

IDLE_SECONDS = 0.5
# The file next to the certificate with a name that the certificate is for. It may be none that this machine has.
SERVER_NAME = "server-name"


def headers(gateway: Gateway | None) -> dict[str, str]:
    """Return the headers of a REST request. Raises RequestFailed when the token cannot be read."""
    return {"Authorization": f"Bearer {_token(gateway)}"} if gateway else {}


def metadata(gateway: Gateway | None) -> tuple[tuple[str, str], ...]:
    """Return the metadata of a gRPC call. Raises RequestFailed when the token cannot be read."""
    return (("authorization", f"Bearer {_token(gateway)}"),) if gateway else ()


def tls_context(gateway: Gateway | None) -> ssl.SSLContext | None:
    """Return a context that trusts the gateway's certificate alone, for any host name; None without TLS."""
    if gateway is None or gateway.certificate is None:
        return None
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_flags |= ssl.VERIFY_X509_PARTIAL_CHAIN
    context.load_verify_locations(cadata=_read(gateway.certificate))
    return context


def connection_pool(rest: str, gateway: Gateway | None, seconds: float, size: int) -> HTTPConnectionPool:
    """Return a pool of at most `size` connections to a REST base URL. Nothing is retried."""
    from urllib3 import HTTPConnectionPool, HTTPSConnectionPool

    url, context = urlsplit(rest), tls_context(gateway)
    sent = {"Content-Type": "application/json", **headers(gateway)}
    settings: dict[str, Any] = {"timeout": seconds, "maxsize": size, "retries": False, "headers": sent}
    if context is None:
        return short_keepalive_pool(HTTPConnectionPool)(url.hostname or "", url.port, **settings)
    settings |= {"ssl_context": context, "assert_hostname": False}
    return short_keepalive_pool(HTTPSConnectionPool)(url.hostname or "", url.port, **settings)


@cache
def short_keepalive_pool(pool: type[HTTPConnectionPool]) -> type[HTTPConnectionPool]:
    """Return a pool class that closes an idle connection before a server does: else a request could get lost."""

    class Connection(pool.ConnectionCls):  # type: ignore[name-defined,misc]
        last_request = 0.0

        def request(self, *args: Any, **kwargs: Any) -> None:
            self.last_request = time.monotonic()
            super().request(*args, **kwargs)

        @property
        def is_connected(self) -> bool:
            return time.monotonic() - self.last_request < IDLE_SECONDS and super().is_connected

    class Pool(pool):  # type: ignore[valid-type,misc]
        ConnectionCls = Connection

    return Pool


def grpc_channel(address: str, gateway: Gateway | None, options: tuple[tuple[str, int], ...]) -> Channel:
    """Return a gRPC channel to `host:port`."""
    import grpc

    return _channel(grpc, address, gateway, options)


def aio_channel(address: str, gateway: Gateway | None, options: tuple[tuple[str, int], ...]) -> aio.Channel:
    """Return a gRPC channel to `host:port` for the event loop that runs."""
    from grpc import aio

    return _channel(aio, address, gateway, options)


def _channel(kind: Any, address: str, gateway: Gateway | None, options: tuple[tuple[str, int], ...]) -> Any:
    import grpc

    if gateway is None or gateway.certificate is None:
        return kind.insecure_channel(address, options=options)
    name = _read(gateway.certificate.with_name(SERVER_NAME))
    credentials = grpc.ssl_channel_credentials(_read(gateway.certificate).encode())
    return kind.secure_channel(address, credentials, options=(*options, ("grpc.ssl_target_name_override", name)))


def _token(gateway: Gateway) -> str:
    return _read(gateway.token).strip()


def _read(path: Path) -> str:
    try:
        return path.read_text(encoding="ascii")
    except OSError as error:
        raise RequestFailed(f"the gateway's {path.name} cannot be read: {error.strerror}") from error
