"""The page of metrics on the REST port, in front of the REST API. Without monitoring it is not there.

Source: `model_servers/http_server.cc`.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any


class MetricsPage:
    """An ASGI application that answers one path, whatever the method; another one gets the rest."""

    def __init__(self, application: Any, path: str, page: Callable[[], bytes]) -> None:
        self._application = application
        self._path = path.encode()
        self._page = page

    async def __call__(self, scope: dict[str, Any], receive: Any, send: Any) -> None:
        """Answer a request, or pass it on."""
        if scope["raw_path"] != self._path:
            await self._application(scope, receive, send)
            return
        status, body = self._answer(scope["query_string"])
        headers = [(b"content-type", b"text/plain"), (b"content-length", str(len(body)).encode())]
        await send({"type": "http.response.start", "status": status, "headers": headers})
        await send({"type": "http.response.body", "body": body})

    def _answer(self, query: bytes) -> tuple[int, bytes]:
        if query:
            return 400, b"Unexpected path: %s?%s. Should be %s" % (self._path, query, self._path)
        return 200, self._page()
