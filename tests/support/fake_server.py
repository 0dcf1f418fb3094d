"""A server on loopback that answers over REST and gRPC whatever a test tells it to, however hostile."""

from __future__ import annotations

import json
import ssl
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import grpc

from deployer.results.deployment import Endpoints


@dataclass(frozen=True)
class Asked:
    """A request that came in; `client` is the port of its connection."""

    method: str
    path: str
    body: bytes
    client: int = 0


@dataclass
class FakeServer:
    """`rest` answers with a status and a body, `call` with bytes; `raw` writes what it likes in place of HTTP."""

    endpoints: Endpoints
    rest: Callable[[Asked], tuple[int, bytes]] = lambda _: (404, b"{}")
    call: Callable[[str, bytes, grpc.ServicerContext], bytes] = lambda *_: b""
    raw: Callable[[Any], None] | None = None
    headers: dict[str, str] = field(default_factory=dict)
    asked: list[Asked] = field(default_factory=list)
    released: threading.Event = field(default_factory=threading.Event)

    def forget(self) -> None:
        """Let go of requests that hang, and be as new."""
        self.released.set()
        vars(self).update(vars(FakeServer(self.endpoints)))

    def hang(self, seconds: float = 30.0) -> None:
        """Keep a request waiting until the test is over."""
        self.released.wait(seconds)

    def answer(self, document: Any, status: int = 200) -> None:
        """Answer every REST request with one document; text and bytes go as they stand."""
        body = document if isinstance(document, (bytes, str)) else json.dumps(document)
        encoded = body if isinstance(body, bytes) else body.encode()
        self.rest = lambda _: (status, encoded)


def _handler(server: FakeServer) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        disable_nagle_algorithm = True

        def _answer(self) -> None:
            body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
            server.asked.append(Asked(self.command, self.path, body, self.client_address[1]))
            if server.raw:
                self.close_connection = True
                server.raw(self.wfile)
                return
            status, answer = server.rest(server.asked[-1])
            self.send_response(status)
            for name, value in {"Content-Length": str(len(answer)), **server.headers}.items():
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(answer)

        do_GET = do_POST = _answer  # noqa: N815 - named by http.server

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - http.server's own name
            """Say nothing."""

    return Handler


class _Calls(grpc.GenericRpcHandler):
    def __init__(self, server: FakeServer) -> None:
        self._server = server

    def service(self, details: grpc.HandlerCallDetails) -> Any:
        return grpc.unary_unary_rpc_method_handler(
            lambda request, context: self._server.call(details.method, request, context)
        )


class _Quiet(ThreadingHTTPServer):
    daemon_threads = True

    def handle_error(self, request: Any, client_address: Any) -> None:
        """The client hung up: that is what some tests are about."""


@contextmanager
def fake_server(pem: Path | None = None, *, rest_port: int = 0, grpc_port: int = 0) -> Iterator[FakeServer]:
    """A FakeServer on these ports, or on any; its REST speaks TLS with the chain and key of a file."""
    server = FakeServer(Endpoints("", ""))
    http = _Quiet(("127.0.0.1", rest_port), _handler(server))
    if pem is not None:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(pem)
        http.socket = context.wrap_socket(http.socket, server_side=True)
    calls = grpc.server(ThreadPoolExecutor(8), handlers=(_Calls(server),))
    port = calls.add_insecure_port(f"127.0.0.1:{grpc_port}")
    scheme = "https" if pem else "http"
    server.endpoints = Endpoints(f"{scheme}://127.0.0.1:{http.server_port}", f"127.0.0.1:{port}")
    thread = threading.Thread(target=http.serve_forever, args=(0.01,), daemon=True)
    thread.start()
    calls.start()
    try:
        yield server
    finally:
        server.forget()
        http.shutdown()
        http.server_close()
        calls.stop(0).wait(60)
        thread.join(60)
