"""A Docker Engine that goes away after it has answered once."""

from __future__ import annotations

import tempfile
import threading
from collections.abc import Iterator
from pathlib import Path
from socketserver import StreamRequestHandler, UnixStreamServer

import pytest

from deployer.config.spec import Docker
from deployer.engines.docker.host import DockerHost
from deployer.engines.docker.preflight import DockerPreflight

PONG = b"HTTP/1.1 200 OK\r\nApi-Version: 1.41\r\nContent-Length: 2\r\nConnection: close\r\n\r\nOK"


class OnlyPing(StreamRequestHandler):
    """Every other connection is closed without an answer, as by an engine that is being stopped."""

    def handle(self) -> None:
        if b"/_ping" in self.rfile.readline():
            self.wfile.write(PONG)


@pytest.fixture
def address() -> Iterator[str]:
    with tempfile.TemporaryDirectory(prefix="deployer-") as directory:  # a socket's path must be short
        path = Path(directory) / "engine.sock"
        with UnixStreamServer(str(path), OnlyPing) as server:
            threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
            yield f"unix://{path}"
            server.shutdown()


def test_an_engine_that_goes_away_is_a_finding_and_no_bug(tmp_path, address):
    (finding,) = DockerPreflight(DockerHost(tmp_path, tmp_path, Docker(host=address))).platform()
    assert (finding.severity, address in finding.message) == ("error", True)
