"""How the tool's own requests get through a gateway: with its bearer token, trusting just the gateway's certificate.

Without a gateway nothing is added. Files are read anew for each client: a gateway's update may change them.
"""

from __future__ import annotations

import ssl
import time
from functools import cache
from typing import Any
from urllib.parse import urlsplit

from deployer.errors import RequestFailed
from deployer.results.deployment import Gateway

IDLE_SECONDS = 0.5
SERVER_NAME = "server-name"
"""Beside the certificate: a name that it is for. It may be for none that this machine is reached by."""


def headers(gateway: Gateway | None) -> dict[str, str]:
    """For REST. Raises RequestFailed without its token."""
    return {"Authorization": f"Bearer {_token(gateway)}"} if gateway else {}


def metadata(gateway: Gateway | None) -> tuple[tuple[str, str], ...]:
    """For gRPC."""
    return (("authorization", f"Bearer {_token(gateway)}"),) if gateway else ()


def tls_context(gateway: Gateway | None) -> Any:
    """None without TLS. That very certificate is trusted, whatever it calls the host, and no other."""
    if gateway is None or gateway.certificate is None:
        return None
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_flags |= ssl.VERIFY_X509_PARTIAL_CHAIN
    context.load_verify_locations(cadata=_read(gateway.certificate))
    return context


def connection_pool(rest: str, gateway: Gateway | None, seconds: float, size: int) -> Any:
    """Connections to the REST base URL, kept for the next request; nothing is tried again."""
    from urllib3 import HTTPConnectionPool, HTTPSConnectionPool

    where, context = urlsplit(rest), tls_context(gateway)
    sent = {"Content-Type": "application/json", **headers(gateway)}
    settings: dict[str, Any] = {"timeout": seconds, "maxsize": size, "retries": False, "headers": sent}
    if context is None:
        return short_keepalive_pool(HTTPConnectionPool)(where.hostname or "", where.port, **settings)
    settings |= {"ssl_context": context, "assert_hostname": False}
    return short_keepalive_pool(HTTPSConnectionPool)(where.hostname or "", where.port, **settings)


@cache
def short_keepalive_pool(pool: Any) -> Any:
    """Lets idle connections go before a server does: a request that crosses its goodbye would be lost."""

    class Connection(pool.ConnectionCls):  # type: ignore[misc]
        asked = 0.0

        def request(self, *given: Any, **named: Any) -> None:
            self.asked = time.monotonic()
            super().request(*given, **named)

        @property
        def is_connected(self) -> bool:
            return time.monotonic() - self.asked < IDLE_SECONDS and super().is_connected

    class Pool(pool):  # type: ignore[misc]
        ConnectionCls = Connection

    return Pool


def grpc_channel(address: str, gateway: Gateway | None, options: tuple[tuple[str, Any], ...]) -> Any:
    """A gRPC channel."""
    import grpc

    if gateway is None or gateway.certificate is None:
        return grpc.insecure_channel(address, options=options)
    name = _read(gateway.certificate.with_name(SERVER_NAME))
    credentials = grpc.ssl_channel_credentials(_read(gateway.certificate).encode())
    return grpc.secure_channel(address, credentials, options=(*options, ("grpc.ssl_target_name_override", name)))


def _token(gateway: Gateway) -> str:
    return _read(gateway.token).strip()


def _read(path: Any) -> str:
    try:
        return str(path.read_text(encoding="ascii"))
    except OSError as error:
        raise RequestFailed(f"the gateway's {path.name} cannot be read: {error.strerror}") from error
