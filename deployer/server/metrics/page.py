"""The page of metrics on the REST port, in front of the REST API. Without monitoring it is not there.

Source: `model_servers/http_server.cc`.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from deployer.server.http.connection import Application
from deployer.server.http.message import Reply, Request


class MetricsPage:
    """An application that answers one path, whatever the method; another one gets the rest."""

    def __init__(self, application: Application, path: str, page: Callable[[], bytes]) -> None:
        self._application = application
        self._path = path.encode()
        self._page = page

    def __call__(self, request: Request) -> Reply | asyncio.Future[Reply]:
        """Answer a request, or pass it on."""
        path, _, query = request.target.partition(b"?")
        return self._answer(query) if path == self._path else self._application(request)

    def _answer(self, query: bytes) -> Reply:
        if query:
            told = b"Unexpected path: %s?%s. Should be %s" % (self._path, query, self._path)
            return Reply(400, told, media=b"text/plain")
        return Reply(200, self._page(), media=b"text/plain")
