"""HTTP connections to one address that are kept open from one request to the next, by the standard library alone."""

from __future__ import annotations

import selectors
from collections.abc import Mapping
from dataclasses import dataclass, field
from http.client import HTTPConnection, HTTPSConnection
from typing import Any
from urllib.parse import urlsplit


@dataclass(frozen=True)
class Connections:
    """As many as there are requests at once. `seconds` is what each wait for the server may take."""

    address: str
    seconds: float
    headers: Mapping[str, str]
    tls: Any = None
    free: list[HTTPConnection] = field(default_factory=list)

    def ask(self, method: str, path: str, body: bytes | None = None) -> tuple[int, bytes]:
        """Status and body; no redirect is followed. Raises OSError, HTTPException, ValueError."""
        connection = self._take()
        try:
            connection.request(method, path, body=body, headers=dict(self.headers))
            answer = connection.getresponse()
            found = answer.status, answer.read()
        except BaseException:
            connection.close()
            raise
        self.free.append(connection)
        return found

    def close(self) -> None:
        """Let go of those that are free."""
        while self.free:
            self.free.pop().close()

    def __del__(self) -> None:
        """Python warns of sockets that nobody has closed."""
        self.close()

    def _take(self) -> HTTPConnection:
        try:
            connection = self.free.pop()
        except IndexError:
            return self._new()
        if is_over(connection):
            connection.close()  # it is opened again by its next request
        return connection

    def _new(self) -> HTTPConnection:
        where = urlsplit(self.address)
        host = where.hostname or ""
        if self.tls is not None:
            return HTTPSConnection(host, where.port, timeout=self.seconds, context=self.tls)
        return HTTPConnection(host, where.port, timeout=self.seconds)


def is_over(connection: HTTPConnection) -> bool:
    """Whether the server has closed it: nothing else can be read before a request is made."""
    if connection.sock is None:
        return False
    with selectors.DefaultSelector() as looking:
        looking.register(connection.sock, selectors.EVENT_READ)
        return bool(looking.select(0))
