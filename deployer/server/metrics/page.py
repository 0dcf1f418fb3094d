"""The metrics page on the REST port, in front of the REST API; unused without monitoring.

Source: `model_servers/http_server.cc`.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from deployer.server.http.connection import Application
from deployer.server.http.message import Reply, Request


class MetricsPage:
    """An application that answers one path with any method, and passes on all other requests."""

    def __init__(self, application: Application, path: str, page: Callable[[], bytes]) -> None:
        self._application = application
        self._path = path.encode()
        self._page = page

    def __call__(self, request: Request) -> Reply | asyncio.Future[Reply]:
        """Answer a request or pass it on."""
        path, _, query = request.target.partition(b"?")
        return self._answer(query) if path == self._path else self._application(request)

    def _answer(self, query: bytes) -> Reply:
        if query:
            message = b"Unexpected path: %s?%s. Should be %s" % (self._path, query, self._path)
            return Reply(400, message, content_type=b"text/plain")
        return Reply(200, self._page(), content_type=b"text/plain")
