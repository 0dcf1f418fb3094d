"""The sockets to a Docker Engine, and the streams of a process that it runs."""

from __future__ import annotations

import contextlib
import json
import re
import socket
import ssl
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from deployer.config.engine_address import SSH, UNIX, EngineAddress
from deployer.engines.docker.remote import ssh
from deployer.errors import EngineError, EngineUnavailable

if TYPE_CHECKING:
    from docker.tls import TLSConfig

    from deployer.engines.docker.context import TlsFiles

CONNECT_SECONDS = 10.0
ANSWER_SECONDS = 30.0
MAX_HEAD_BYTES = 1 << 16
STATUS = re.compile(rb"HTTP/1\.[01] (\d{3})")


@dataclass(frozen=True)
class Transport:
    """How this process reaches an engine: by its socket, over SSH, or over TCP with the certificates `tls`."""

    address: EngineAddress
    tls: TlsFiles | None = None
    connect_seconds: float = ssh.READY_SECONDS
    """How long an SSH connection may take to open."""

    @property
    def base_url(self) -> str:
        """The address for the SDK. Opens the SSH connection. Raises EngineUnavailable."""
        if self.address.scheme == UNIX:
            return self.address.text
        if self.address.scheme == SSH:
            return f"unix://{ssh.tunnel_to(self.address, self.connect_seconds).socket}"
        host = f"[{self.address.host}]" if ":" in self.address.host else self.address.host
        return f"{'https' if self.tls else 'http'}://{host}:{self.address.port}"

    @property
    def verification(self) -> tuple[str | bool, tuple[str, str] | None]:
        """The authority and this user's certificate, as `requests` takes them."""
        if self.tls is None:
            return False, None
        pair = (str(self.tls.certificate), str(self.tls.key)) if self.tls.certificate and self.tls.key else None
        return str(self.tls.ca), pair

    @property
    def sdk_tls(self) -> TLSConfig | None:
        """The certificates for the SDK; None without TLS."""
        if self.tls is None:
            return None
        from docker.tls import TLSConfig

        authority, pair = self.verification
        return TLSConfig(client_cert=pair, ca_cert=authority, verify=True)

    def dial(self) -> socket.socket:
        """Return a connected socket. Raise EngineUnavailable, OSError."""
        if self.address.scheme == UNIX:
            return _unix_socket(self.address.path)
        if self.address.scheme == SSH:
            return _unix_socket(str(ssh.open_tunnel(self.address).socket))
        sock = socket.create_connection((self.address.host, self.address.port or 0), CONNECT_SECONDS)
        sock.settimeout(ANSWER_SECONDS)
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
        return self._context().wrap_socket(sock, server_hostname=self.address.host) if self.tls else sock

    def _context(self) -> ssl.SSLContext:
        files = self.tls
        if files is None:
            raise RuntimeError("a context without certificates")
        context = ssl.create_default_context(cafile=str(files.ca))
        if files.certificate and files.key:
            context.load_cert_chain(files.certificate, files.key)
        return context

    def open_stream(self, path: str, body: dict[str, object]) -> socket.socket:
        """Send a request after which the connection carries the raw streams of a process, and return its socket.

        Raises EngineError, EngineUnavailable, OSError.
        """
        sock = self.dial()
        try:
            sock.sendall(_upgrade_request(path, json.dumps(body).encode()))
            head = _read_head(sock)
            status = STATUS.match(head)
            if status is None or status[1] not in (b"101", b"200"):
                raise EngineError(f"the engine at {self.address.text} refused a stream: {_text(sock, head)}")
        except BaseException:
            sock.close()
            raise
        return sock


def _unix_socket(path: str) -> socket.socket:
    sock = socket.socket(socket.AF_UNIX)
    sock.settimeout(ANSWER_SECONDS)
    try:
        sock.connect(path)
    except BaseException:
        sock.close()
        raise
    return sock


def check_files(address: EngineAddress, tls: TlsFiles | None) -> None:
    """Raise EngineUnavailable for a TCP address without TLS outside of loopback, and for missing certificates."""
    if tls is None:
        if not address.is_loopback:
            raise EngineUnavailable(
                f"the Docker Engine at {address.text} would be used without TLS: anybody on the way could use it",
                hint="DOCKER_TLS_VERIFY=1 and DOCKER_CERT_PATH name its certificates; or use ssh://user@host",
            )
        return
    for file in filter(None, (tls.ca, tls.certificate, tls.key)):
        _check_file(address, file)


def _check_file(address: EngineAddress, file: Path) -> None:
    try:
        file.read_bytes()
    except OSError as error:
        raise EngineUnavailable(
            f"the certificates for the Docker Engine at {address.text} cannot be read: {file}: {error.strerror}",
            hint="DOCKER_CERT_PATH is a directory with ca.pem, cert.pem and key.pem",
        ) from error


def _upgrade_request(path: str, body: bytes) -> bytes:
    head = (
        f"POST {path} HTTP/1.1\r\nHost: docker\r\nConnection: Upgrade\r\nUpgrade: tcp\r\n"
        f"Content-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n"
    )
    return head.encode() + body


def _read_head(sock: socket.socket) -> bytes:
    """Return the head of an answer, and read nothing of what follows it."""
    head = b""
    while not head.endswith(b"\r\n\r\n"):
        byte = sock.recv(1)
        if not byte or len(head) > MAX_HEAD_BYTES:
            raise ConnectionError("the engine ended the connection")
        head += byte
    return head


def _text(sock: socket.socket, head: bytes) -> str:
    """Return the engine's message after the head of a refusal."""
    sock.settimeout(1.0)
    with contextlib.suppress(OSError):
        head += sock.recv(MAX_HEAD_BYTES)
    return head.rpartition(b"\r\n")[2].decode("utf-8", "replace")[:300] or "no reason given"
