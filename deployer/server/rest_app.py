"""The REST API as an application of the HTTP server: what is answered at once, and what by a thread.

Short calls run right on the event loop; whatever may take long runs in a thread. What is no API path is answered as
libevent does.
"""

from __future__ import annotations

import asyncio
import dataclasses
import zlib
from concurrent.futures import ThreadPoolExecutor

from deployer.server.http_message import Reply, Request, html
from deployer.server.rest import RestApi, TooSlowHere, refusal
from deployer.server.routes import is_api
from deployer.server.status import Code, ServingError

_SMALL_BODY = 16 * 1024
_UNZIPPED_LIMIT = 100 * 1024 * 1024
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

    def __init__(self, api: RestApi, pool: ThreadPoolExecutor, cors: bool) -> None:
        self._api = api
        self._pool = pool
        self._cors = cors

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
                return self._finished(self._api.handle(method, target, request.body, here=True))
            except TooSlowHere:
                pass
        return asyncio.ensure_future(self._later(method, target, request.body, zipped))

    async def _later(self, method: str, target: str, body: bytes, zipped: bool) -> Reply:
        answer = asyncio.get_running_loop().run_in_executor(self._pool, self._work, method, target, body, zipped)
        try:
            return self._finished(await asyncio.wait_for(answer, self._api.timeout_seconds))
        except asyncio.TimeoutError:
            return self._finished(_TIMED_OUT)

    def _work(self, method: str, target: str, body: bytes, zipped: bool) -> Reply:
        return self._api.handle(method, target, _unzip(body) if zipped else body)

    def _finished(self, reply: Reply) -> Reply:
        return dataclasses.replace(reply, extra=_CORS) if self._cors else reply


def _unzip(body: bytes) -> bytes:
    """Return the content of a gzip body; nothing for one that is broken or too large."""
    inflater = zlib.decompressobj(16 + zlib.MAX_WBITS)
    try:
        content = inflater.decompress(body, _UNZIPPED_LIMIT)
    except zlib.error:
        return b""
    return content if inflater.eof else b""
