"""The engine's socket at another address, so that a test sees who comes to it, or makes it look far away."""

from __future__ import annotations

import os
import select
import socket
import socketserver
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

ENGINE = os.environ.get("DOCKER_HOST", "unix:///var/run/docker.sock").removeprefix("unix://")
"""The socket of the engine under test, before any test changes the variable."""


class Relay(socketserver.BaseRequestHandler):
    """One connection, passed on byte by byte."""

    def handle(self) -> None:
        self.server.connections += 1  # type: ignore[attr-defined]
        with socket.socket(socket.AF_UNIX) as engine:
            engine.connect(ENGINE)
            ends = {self.request: engine, engine: self.request}
            while True:
                for end in select.select(list(ends), [], [], 10)[0]:
                    data = end.recv(65536)
                    if not data:
                        return
                    ends[end].sendall(data)


class RemoteRelay(socketserver.ThreadingTCPServer):
    """The engine, as if it were on another machine."""

    daemon_threads = True
    connections = 0


class LocalRelay(socketserver.ThreadingUnixStreamServer):
    """The engine at another socket of this machine."""

    daemon_threads = True
    connections = 0


@contextmanager
def relayed(server: socketserver.BaseServer) -> Iterator[socketserver.BaseServer]:
    """Serve it for a block."""
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
    thread.start()
    try:
        yield server
    finally:
        server.shutdown()
        server.server_close()
        thread.join(60)


def remote() -> RemoteRelay:
    return RemoteRelay(("127.0.0.1", 0), Relay)


def local(path: Path) -> LocalRelay:
    """Paths of sockets have at most 107 characters."""
    return LocalRelay(str(path), Relay)
