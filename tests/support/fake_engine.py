"""The little of a Docker Engine's API that is needed where no real engine can be made to answer so."""

from __future__ import annotations

import json
import tempfile
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from socketserver import StreamRequestHandler, ThreadingUnixStreamServer
from typing import Any

INFO = {"ServerVersion": "20.10.24", "NCPU": 2, "Runtimes": {}, "SecurityOptions": [], "Architecture": "x86_64"}

NOTHING = {"message": "No such image: it has none"}


@contextmanager
def fake_engine(api_version: str = "1.41", answers: Mapping[str, Any] | None = None) -> Iterator[str]:
    """The address of one that speaks this version; `answers` are documents by path, without the version before it."""
    documents = {"/info": INFO, **(answers or {})}

    class Handler(StreamRequestHandler):
        def handle(self) -> None:
            path = self.rfile.readline().decode().split()[1].partition("?")[0]
            while self.rfile.readline() not in (b"\r\n", b""):
                pass
            found = documents.get(path.removeprefix(f"/v{api_version}"))
            ping = path == "/_ping"
            status = "200 OK" if ping or found is not None else "404 Not Found"
            body = (
                b"OK"
                if ping
                else json.dumps({"message": "No such image: it has none"} if found is None else found).encode()
            )
            head = f"HTTP/1.1 {status}\r\nApi-Version: {api_version}\r\nContent-Type: application/json\r\n"
            self.wfile.write(f"{head}Content-Length: {len(body)}\r\nConnection: close\r\n\r\n".encode() + body)

    with tempfile.TemporaryDirectory(prefix="deployer-") as directory:  # a socket's path must be short
        path = Path(directory) / "engine.sock"
        with ThreadingUnixStreamServer(str(path), Handler) as server:
            threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
            yield f"unix://{path}"
            server.shutdown()
