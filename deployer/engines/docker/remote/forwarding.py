"""Ports of the engine's machine as local ports: each connection is carried by a process of the helper."""

from __future__ import annotations

import contextlib
import selectors
import socket
import ssl
import threading
from collections.abc import Callable
from dataclasses import dataclass, field

from deployer.engines.docker.remote.frames import CHUNK_BYTES, STDOUT, take_frames
from deployer.errors import DeployerError

LOCALHOST = "127.0.0.1"
MAX_BUFFERED = 1 << 20
BACKLOG = 64
Connect = Callable[[str, int], socket.socket]


@dataclass
class Forwarder:
    """Local ports that lead to ports of the engine's machine; `connect` opens one connection there."""

    connect: Connect
    _listeners: dict[tuple[str, int], socket.socket] = field(default_factory=dict)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def local_port(self, host: str, port: int) -> int:
        """Return the local port that leads to a port of the engine's machine. Opens no connection."""
        with self._lock:
            if (host, port) not in self._listeners:
                listener = socket.create_server((LOCALHOST, 0), backlog=BACKLOG)
                threading.Thread(target=self._accept, args=(listener, host, port), daemon=True).start()
                self._listeners[host, port] = listener
            return int(self._listeners[host, port].getsockname()[1])

    def close(self) -> None:
        """Close the local ports; connections end with their clients."""
        with self._lock:
            for listener in self._listeners.values():
                listener.close()
            self._listeners.clear()

    def _accept(self, listener: socket.socket, host: str, port: int) -> None:
        with contextlib.suppress(OSError):
            while True:
                client, _ = listener.accept()
                threading.Thread(target=self._serve, args=(client, host, port), daemon=True).start()

    def _serve(self, client: socket.socket, host: str, port: int) -> None:
        with client, contextlib.suppress(OSError, DeployerError, ValueError), self.connect(host, port) as stream:
            client.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            Pump(client, stream).run()


class Pump:
    """Carries bytes between a client and the raw stream of a process, whose output comes in frames of the engine."""

    def __init__(self, client: socket.socket, stream: socket.socket) -> None:
        self._client, self._stream = client, stream
        self._to_client, self._to_stream, self._frames = bytearray(), bytearray(), bytearray()
        self._client_open = self._stream_open = True

    def run(self) -> None:
        """Carry bytes until one side closes, and what the process has written has arrived."""
        for sock in (self._client, self._stream):
            sock.setblocking(False)
        with selectors.DefaultSelector() as selector:
            selector.register(self._client, selectors.EVENT_READ)
            selector.register(self._stream, selectors.EVENT_READ)
            while self._client_open and (self._stream_open or self._to_client):
                self._select(selector)
                self._from_client()
                self._from_stream()
                self._send(self._client, self._to_client)
                self._send(self._stream, self._to_stream)

    def _select(self, selector: selectors.BaseSelector) -> None:
        read_client = len(self._to_stream) < MAX_BUFFERED
        read_stream = self._stream_open and len(self._to_client) < MAX_BUFFERED
        _watch(selector, self._client, read=read_client, write=bool(self._to_client))
        _watch(selector, self._stream, read=read_stream, write=bool(self._to_stream))
        pending = read_stream and isinstance(self._stream, ssl.SSLSocket) and self._stream.pending()
        selector.select(0 if pending else None)

    def _from_client(self) -> None:
        if len(self._to_stream) < MAX_BUFFERED and (received := _receive(self._client)) is not None:
            self._client_open = bool(received)
            self._to_stream += received

    def _from_stream(self) -> None:
        if not self._stream_open or len(self._to_client) >= MAX_BUFFERED:
            return
        if (received := _receive(self._stream)) is not None:
            self._stream_open = bool(received)
            self._frames += received
            for stream, data in take_frames(self._frames):
                self._to_client += data if stream == STDOUT else b""

    @staticmethod
    def _send(sock: socket.socket, data: bytearray) -> None:
        if data:
            with contextlib.suppress(BlockingIOError, ssl.SSLWantWriteError, ssl.SSLWantReadError):
                del data[: sock.send(data[:CHUNK_BYTES])]


def _watch(selector: selectors.BaseSelector, sock: socket.socket, *, read: bool, write: bool) -> None:
    events = read * selectors.EVENT_READ | write * selectors.EVENT_WRITE
    registered = sock in selector.get_map()
    if events and registered:
        selector.modify(sock, events)
    elif events:
        selector.register(sock, events)
    elif registered:
        selector.unregister(sock)


def _receive(sock: socket.socket) -> bytes | None:
    """Return what has arrived, empty at the end; None if nothing has arrived."""
    try:
        return sock.recv(CHUNK_BYTES)
    except (BlockingIOError, ssl.SSLWantReadError, ssl.SSLWantWriteError):
        return None
