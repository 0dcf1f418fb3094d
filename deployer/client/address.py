"""Addresses of servers that the tool did not start, as users write them."""

from __future__ import annotations

import re
from typing import NamedTuple

from deployer.errors import InvalidValue

HOST = r"(?P<host>\[[0-9a-fA-F:.]+\]|[\w.-]+)"
REST = re.compile(rf"(?:http://)?{HOST}(?::(?P<port>\d{{1,5}}))?/?")
GRPC = re.compile(rf"{HOST}:(?P<port>\d{{1,5}})")


class Address(NamedTuple):
    """A host, and a port unless it is the protocol's own."""

    host: str
    port: str | None

    @property
    def host_port(self) -> str:
        """The address as `host:port`, or the host alone."""
        return f"{self.host}:{self.port}" if self.port else self.host

    @property
    def url(self) -> str:
        """The base URL of the REST API."""
        return f"http://{self.host_port}"


def parse_rest(text: str) -> Address:
    """Return the address of a REST API, `http://HOST:PORT`. Raises InvalidValue."""
    return _parse(REST, text, "--url http://HOST:8501")


def parse_grpc(text: str) -> Address:
    """Return the address of a gRPC API, `HOST:PORT`. Raises InvalidValue."""
    return _parse(GRPC, text, "--grpc HOST:8500")


def _parse(pattern: re.Pattern[str], text: str, hint: str) -> Address:
    match = pattern.fullmatch(text)
    if match is None or int(match["port"] or 0) > 65535:
        raise InvalidValue(f"{text!r:.200} is not the address of a server", hint=hint)
    return Address(match["host"], match["port"])
