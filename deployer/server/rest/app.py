"""The REST API as an application of the HTTP server.

Short calls run on the event loop, others on worker threads. Paths outside the API are answered as libevent does.
"""

from __future__ import annotations

import asyncio
import zlib
from collections.abc import Awaitable, Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any, TypeVar

from deployer.server.http.message import Reply, Request, html
from deployer.server.rest.calls import NeedsWorkerThread, RestApi, refusal
from deployer.server.rest.routes import is_api
from deployer.server.status import Code, ServingError

T = TypeVar("T")
_SMALL_BODY = 16 * 1024
_LARGE_BODY = 4 * 1024 * 1024
_GUNZIPPED_LIMIT = 100 * 1024 * 1024
# Large bodies may use one in so many threads of the pool.
_SHARE_OF_LARGE = 4
_METHODS = {name.encode(): name for name in ("GET", "POST", "HEAD", "PUT", "DELETE", "OPTIONS", "PATCH")}
_TIMED_OUT = refusal(ServingError(Code.DEADLINE_EXCEEDED, "Timed out waiting for notification"))
_EMPTY_TYPE = b"text/html; charset=ISO-8859-1"
_CORS = (
    b"Access-Control-Allow-Origin: *\r\n"
    b"Access-Control-Allow-Methods: POST, GET\r\n"
    b"Access-Control-Allow-Headers: Content-Type\r\n"
)


class RestApp:
    """The application, called on the event loop for every request."""

    def __init__(self, api: RestApi, threads: int, cors: bool) -> None:
        self._api = api
        self._pool = ThreadPoolExecutor(threads, "rest-work")
        self._cors = cors
        self._large = asyncio.Semaphore(max(1, threads // _SHARE_OF_LARGE))

    def __call__(self, request: Request) -> Reply | asyncio.Future[Reply]:
        """Answer one request, immediately or later."""
        method = _METHODS.get(request.method)
        if method is None:
            return html(501)
        target, _, _ = request.target.decode("utf-8", "surrogateescape").partition("#")
        if not is_api(target.partition("?")[0]):
            return html(404)
        if method == "OPTIONS":
            return self._with_cors(Reply(200 if b"origin" in request.headers else 400, b"", content_type=_EMPTY_TYPE))
        gzipped = request.headers.get(b"content-encoding", b"").lower() == b"gzip"
        if not gzipped and len(request.body) <= _SMALL_BODY:
            try:
                return self._with_cors(self._api.handle(method, target, request.body, inline=True))
            except NeedsWorkerThread:
                pass
        return asyncio.ensure_future(self._handle_in_thread(method, target, request.body, gzipped))

    async def _handle_in_thread(self, method: str, target: str, body: bytes, gzipped: bool) -> Reply:
        is_small = not gzipped and len(body) <= _LARGE_BODY
        arguments = (method, target, body)
        answer = self._in_thread(self._api.handle, *arguments) if is_small else self._handle_large(*arguments, gzipped)
        try:
            return self._with_cors(await asyncio.wait_for(answer, self._api.timeout_seconds))
        except asyncio.TimeoutError:
            return self._with_cors(_TIMED_OUT)

    async def _handle_large(self, method: str, target: str, body: bytes, gzipped: bool) -> Reply:
        """Answer on a worker thread; large bodies are limited, because parsing one blocks all other threads."""
        content = await self._in_thread(_gunzip, body, _LARGE_BODY) if gzipped else body
        if content is not None and len(content) <= _LARGE_BODY:
            return await self._in_thread(self._api.handle, method, target, content)
        await self._large.acquire()
        future = self._pool.submit(self._handle_body, method, target, body, gzipped)
        loop = asyncio.get_running_loop()
        future.add_done_callback(lambda _: loop.call_soon_threadsafe(self._large.release))
        return await asyncio.wrap_future(future)

    def _in_thread(self, work: Callable[..., T], *arguments: Any) -> Awaitable[T]:
        return asyncio.get_running_loop().run_in_executor(self._pool, work, *arguments)

    def _handle_body(self, method: str, target: str, body: bytes, gzipped: bool) -> Reply:
        return self._api.handle(method, target, (_gunzip(body, _GUNZIPPED_LIMIT) or b"") if gzipped else body)

    def _with_cors(self, reply: Reply) -> Reply:
        return reply._replace(extra_headers=_CORS) if self._cors else reply


def _gunzip(body: bytes, limit: int) -> bytes | None:
    """Return the content of a gzip body; empty if it is invalid, None if it exceeds the limit."""
    inflater = zlib.decompressobj(16 + zlib.MAX_WBITS)
    try:
        content = inflater.decompress(body, limit)
    except zlib.error:
        return b""
    if inflater.eof:
        return content
    return None if len(content) == limit else b""
