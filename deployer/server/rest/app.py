"""The REST API as an application of the HTTP server: what is answered at once, and what by a thread.

Short calls run right on the event loop; whatever may take long runs in a thread. What is no API path is answered as
libevent does.
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
_UNZIPPED_LIMIT = 100 * 1024 * 1024
# Of the threads of the pool, large bodies may have one in so many.
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
    """Called on the event loop with every request."""

    def __init__(self, api: RestApi, threads: int, cors: bool) -> None:
        self._api = api
        self._pool = ThreadPoolExecutor(threads, "rest-work")
        self._cors = cors
        self._large = asyncio.Semaphore(max(1, threads // _SHARE_OF_LARGE))

    def __call__(self, request: Request) -> Reply | asyncio.Future[Reply]:
        """Answer one request, now or later."""
        method = _METHODS.get(request.method)
        if method is None:
            return html(501)
        target, _, _ = request.target.decode("utf-8", "surrogateescape").partition("#")
        if not is_api(target.partition("?")[0]):
            return html(404)
        if method == "OPTIONS":
            return self._finished(Reply(200 if b"origin" in request.headers else 400, b"", media=_EMPTY_TYPE))
        zipped = request.headers.get(b"content-encoding", b"").lower() == b"gzip"
        if not zipped and len(request.body) <= _SMALL_BODY:
            try:
                return self._finished(self._api.handle(method, target, request.body, inline=True))
            except NeedsWorkerThread:
                pass
        return asyncio.ensure_future(self._later(method, target, request.body, zipped))

    async def _later(self, method: str, target: str, body: bytes, zipped: bool) -> Reply:
        plain = not zipped and len(body) <= _LARGE_BODY
        asked = (method, target, body)
        answer = self._in_thread(self._api.handle, *asked) if plain else self._in_turn(*asked, zipped)
        try:
            return self._finished(await asyncio.wait_for(answer, self._api.timeout_seconds))
        except asyncio.TimeoutError:
            return self._finished(_TIMED_OUT)

    async def _in_turn(self, method: str, target: str, body: bytes, zipped: bool) -> Reply:
        """Answer in a thread; large bodies take turns, because all else waits while one of them is parsed."""
        content = await self._in_thread(_unzip, body, _LARGE_BODY) if zipped else body
        if content is not None and len(content) <= _LARGE_BODY:
            return await self._in_thread(self._api.handle, method, target, content)
        await self._large.acquire()
        job = self._pool.submit(self._work, method, target, body, zipped)
        loop = asyncio.get_running_loop()
        job.add_done_callback(lambda _: loop.call_soon_threadsafe(self._large.release))
        return await asyncio.wrap_future(job)

    def _in_thread(self, work: Callable[..., T], *given: Any) -> Awaitable[T]:
        return asyncio.get_running_loop().run_in_executor(self._pool, work, *given)

    def _work(self, method: str, target: str, body: bytes, zipped: bool) -> Reply:
        return self._api.handle(method, target, (_unzip(body, _UNZIPPED_LIMIT) or b"") if zipped else body)

    def _finished(self, reply: Reply) -> Reply:
        return reply._replace(extra=_CORS) if self._cors else reply


def _unzip(body: bytes, limit: int) -> bytes | None:
    """Return the content of a gzip body; nothing for one that is broken, and None for one that is larger."""
    inflater = zlib.decompressobj(16 + zlib.MAX_WBITS)
    try:
        content = inflater.decompress(body, limit)
    except zlib.error:
        return b""
    if inflater.eof:
        return content
    return None if len(content) == limit else b""
