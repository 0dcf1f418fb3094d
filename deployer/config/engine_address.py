"""The address of a Docker Engine: unix:///path, ssh://user@host:port/path or tcp://host:port."""

from __future__ import annotations

import os
import re
from dataclasses import dataclass

from deployer.errors import InvalidValue

UNIX, SSH, TCP = "unix", "ssh", "tcp"
DEFAULT_SOCKET = "/var/run/docker.sock"
TLS_PORT = 2376
LOOPBACK_NAMES = ("localhost", "127.0.0.1", "::1")
FORMS = "unix:///var/run/docker.sock, ssh://user@host, or tcp://host:2376"
# A host that begins with a hyphen would be an option of ssh; a path goes into a command of the remote shell.
HOST = r"\[[0-9A-Fa-f:.]{2,45}\]|[A-Za-z0-9_][A-Za-z0-9_.-]{0,252}"
REMOTE = re.compile(
    rf"(?P<scheme>ssh|tcp)://((?P<user>[A-Za-z0-9_][A-Za-z0-9_.+-]{{0,63}})@)?(?P<host>{HOST})(:(?P<port>[0-9]{{1,5}}))?"
    r"(?P<path>(/[A-Za-z0-9_.@+-]+)*)/?"
)
LOCAL = re.compile(r"unix://(?P<path>/[^\x00]*)")


@dataclass(frozen=True)
class EngineAddress:
    """An address as it was written, and its parts; `path` is the socket of a `unix` or `ssh` address."""

    text: str
    scheme: str
    host: str = ""
    port: int | None = None
    user: str = ""
    path: str = DEFAULT_SOCKET

    @property
    def is_remote(self) -> bool:
        """Whether the engine is on another machine."""
        return self.scheme != UNIX

    @property
    def canonical(self) -> str:
        """The address in the form that is the same for each way to write it."""
        if self.scheme == UNIX:
            is_default = os.path.realpath(self.path) == os.path.realpath(DEFAULT_SOCKET)
            return f"{UNIX}://{DEFAULT_SOCKET if is_default else self.path}"
        user = f"{self.user}@" if self.user else ""
        host = f"[{self.host}]" if ":" in self.host else self.host.lower()
        port = f":{self.port}" if self.port else ""
        path = "" if self.path in ("", DEFAULT_SOCKET) else self.path
        return f"{self.scheme}://{user}{host}{port}{path}"

    @property
    def is_loopback(self) -> bool:
        """Whether a TCP address is one of this machine's loopback."""
        return self.host in LOOPBACK_NAMES


def parse_address(text: str) -> EngineAddress:
    """Return the parts of an address. Raise InvalidValue for any other text."""
    if local := LOCAL.fullmatch(text):
        return EngineAddress(text, UNIX, path=local["path"])
    match = REMOTE.fullmatch(text)
    if match is None or (match["scheme"] == TCP and (match["user"] or match["path"])):
        raise InvalidValue(f"docker host {_without_password(text)!r} is no address of an engine", hint=FORMS)
    port = int(match["port"]) if match["port"] else None
    if port is not None and not 0 < port < 1 << 16:
        raise InvalidValue(f"docker host {text[:80]!r}: {port} is no port", hint="a number from 1 to 65535")
    host = match["host"].strip("[]")
    if match["scheme"] == TCP:
        return EngineAddress(text, TCP, host, port or TLS_PORT, path="")
    return EngineAddress(text, SSH, host, port, match["user"] or "", match["path"] or DEFAULT_SOCKET)


def _without_password(text: str) -> str:
    return re.sub(r"(//[^@/:]*):[^@/]*@", r"\1:...@", text)[:80]
