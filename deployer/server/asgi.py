"""The REST API as an ASGI application: bodies in, answers out, and the event loop kept free.

Short calls run right here; whatever may take long runs in a thread. What is no API path is answered as libevent does.
"""

from __future__ import annotations

import asyncio
import zlib
from collections.abc import Awaitable, Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from deployer.server.rest import JSON_TYPE, Reply, RestApi, TooSlowHere, refusal
from deployer.server.routes import is_api
from deployer.server.status import Code, ServingError

Receive = Callable[[], Awaitable[dict[str, Any]]]
Send = Callable[[dict[str, Any]], Awaitable[None]]

_SMALL_BODY = 16 * 1024
_UNZIPPED_LIMIT = 100 * 1024 * 1024
_METHODS = frozenset(("GET", "POST", "HEAD", "PUT", "DELETE", "OPTIONS", "PATCH"))
_HTML = "<HTML><HEAD>\n<TITLE>{0} {1}</TITLE>\n</HEAD><BODY>\n<H1>{1}</H1>\n</BODY></HTML>\n"
_TIMED_OUT = refusal(ServingError(Code.DEADLINE_EXCEEDED, "Timed out waiting for notification"))
_CORS = [
    (b"access-control-allow-origin", b"*"),
    (b"access-control-allow-methods", b"POST, GET"),
    (b"access-control-allow-headers", b"Content-Type"),
]


class RestApp:
    """The application that uvicorn runs."""

    def __init__(self, api: RestApi, pool: ThreadPoolExecutor, cors: bool) -> None:
        self._api = api
        self._pool = pool
        self._extra_headers = _CORS if cors else []

    async def __call__(self, scope: dict[str, Any], receive: Receive, send: Send) -> None:
        """Answer one request."""
        method, path = scope["method"], _text(scope["raw_path"])
        if method not in _METHODS:
            await _send_html(send, 501, "Not Implemented")
        elif not is_api(path):
            await _send_html(send, 404, "Not Found")
        elif method == "OPTIONS":
            await self._preflight(scope, send)
        else:
            await self._serve(scope, method, path, receive, send)

    async def _serve(self, scope: dict[str, Any], method: str, path: str, receive: Receive, send: Send) -> None:
        body = await _read(receive)
        if body is None:
            return
        query = scope["query_string"]
        target = f"{path}?{_text(query)}" if query else path
        if _header(scope, b"content-encoding").lower() == b"gzip":
            body = await self._in_thread(_unzip, body)
        reply = await self._reply(method, target, body)
        await _send(send, reply.status, reply.body, JSON_TYPE.encode(), self._extra_headers)

    async def _reply(self, method: str, target: str, body: bytes) -> Reply:
        if len(body) <= _SMALL_BODY:
            try:
                return self._api.handle(method, target, body, here=True)
            except TooSlowHere:
                pass
        try:
            return await asyncio.wait_for(
                self._in_thread(self._api.handle, method, target, body), self._api.timeout_seconds
            )
        except asyncio.TimeoutError:
            return _TIMED_OUT

    async def _in_thread(self, function: Callable[..., Any], *arguments: Any) -> Any:
        return await asyncio.get_running_loop().run_in_executor(self._pool, function, *arguments)

    async def _preflight(self, scope: dict[str, Any], send: Send) -> None:
        status = 200 if _header(scope, b"origin") else 400
        await _send(send, status, b"", b"text/html; charset=ISO-8859-1", self._extra_headers)


def _text(raw: bytes) -> str:
    return raw.decode("utf-8", "surrogateescape")


def _header(scope: dict[str, Any], name: bytes) -> bytes:
    return next((bytes(value) for key, value in scope["headers"] if key == name), b"")


async def _read(receive: Receive) -> bytes | None:
    """Return the whole body; None when the client is gone."""
    chunks = []
    while True:
        message = await receive()
        if message["type"] != "http.request":
            return None
        chunks.append(message.get("body", b""))
        if not message.get("more_body"):
            return chunks[0] if len(chunks) == 1 else b"".join(chunks)


def _unzip(body: bytes) -> bytes:
    """Return the content of a gzip body; nothing for one that is broken or too large."""
    inflater = zlib.decompressobj(16 + zlib.MAX_WBITS)
    try:
        content = inflater.decompress(body, _UNZIPPED_LIMIT)
    except zlib.error:
        return b""
    return content if inflater.eof else b""


async def _send_html(send: Send, status: int, reason: str) -> None:
    body = _HTML.format(status, reason).encode()
    await _send(send, status, body, b"text/html", [(b"connection", b"close")])


async def _send(send: Send, status: int, body: bytes, media: bytes, extra: list[tuple[bytes, bytes]]) -> None:
    headers = [(b"content-type", media), (b"content-length", str(len(body)).encode()), *extra]
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": body})
