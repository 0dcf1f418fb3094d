"""A connection to the socket of a Docker Engine on another machine, by the system's OpenSSH client.

`ssh` forwards a local socket, and runs `cat` on the other side. Its input is a pipe of this process: when this process
ends, even by SIGKILL, `cat` ends, and `ssh` with it.
"""

from __future__ import annotations

import atexit
import contextlib
import os
import re
import selectors
import shutil
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from deployer.config.engine_address import EngineAddress
from deployer.errors import EngineUnavailable
from deployer.system.wait import Deadline

CONNECT_SECONDS = 10
READY_SECONDS = 30.0
END_SECONDS = 5.0
ENDING_SECONDS = 0.5
"""How long `ssh` may take to end after its connections did."""

STALE_SECONDS = 3600.0
PREFIX = "deployer-ssh-"
SOCKET_FILE, ERRORS_FILE = "docker.sock", "errors"
MAX_DIRECTORY = 60
"""The longest directory for a socket: the kernel limits the length of its path."""
OPTIONS = {
    "BatchMode": "yes",
    "ControlMaster": "no",
    "ControlPath": "none",
    "ConnectTimeout": str(CONNECT_SECONDS),
    "ServerAliveInterval": "5",
    "ServerAliveCountMax": "3",
    "ExitOnForwardFailure": "yes",
    "StreamLocalBindMask": "0177",
    "ForwardAgent": "no",
    "ForwardX11": "no",
    "PermitLocalCommand": "no",
    "RemoteCommand": "none",
    "RequestTTY": "no",
}
READY, ABSENT, DENIED = "deployer: ready", "deployer: absent", "deployer: denied"
SCRIPT = (
    'if [ ! -S "{path}" ]; then echo "{absent}"; elif [ ! -w "{path}" ]; then echo "{denied}"; '
    'else echo "{ready}"; exec cat >/dev/null; fi'
)
CAUSES = (
    (r"Could not resolve hostname", "its name cannot be resolved", "check the name, or add it to ~/.ssh/config"),
    (
        r"REMOTE HOST IDENTIFICATION HAS CHANGED",
        "its host key is another one than before",
        "if the machine was reinstalled, ssh-keygen -R {known} forgets the old key; else somebody is in between",
    ),
    (
        r"Host key verification failed",
        "its host key is not known here",
        "ssh {target} true shows its fingerprint and accepts it once you have compared it",
    ),
    (
        r"Permission denied \(|Too many authentication failures",
        "it accepts no key of this user",
        "ssh-copy-id {target}; ssh-add for a key with a passphrase; or User and IdentityFile in ~/.ssh/config",
    ),
    (
        r"administratively prohibited|open failed",
        "its SSH server forwards no sockets",
        "AllowStreamLocalForwarding yes in its sshd_config",
    ),
    (r"Connection refused", "no SSH server listens there", "check host and port: ssh {target} true"),
    (r"timed out|No route to host|unreachable", "its machine does not answer", "check the network: ssh {target} true"),
    (
        r"kex_exchange_identification|Connection (reset|closed) by",
        "its SSH server closes the connection",
        "ssh {target} true tries it; a server may refuse an address for a while after failed logins",
    ),
)


@dataclass(frozen=True)
class SshTunnel:
    """A running `ssh`; `socket` is the local end of the engine's socket."""

    address: EngineAddress
    directory: Path
    process: subprocess.Popen[bytes]

    @property
    def socket(self) -> Path:
        """The local socket."""
        return self.directory / SOCKET_FILE

    @property
    def runs(self) -> bool:
        """Whether the connection is open."""
        return self.process.poll() is None

    def problem(self) -> EngineUnavailable:
        """Return the error for a connection that failed or ended, with the cause that `ssh` printed."""
        text = (self.directory / ERRORS_FILE).read_text("utf-8", "replace") if self.directory.is_dir() else ""
        return failure(self.address, text)

    def close(self) -> None:
        """End `ssh` and remove the directory."""
        with contextlib.suppress(OSError):
            if self.process.stdin:
                self.process.stdin.close()
        self.process.terminate()
        try:
            self.process.wait(END_SECONDS)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait(END_SECONDS)
        shutil.rmtree(self.directory, ignore_errors=True)


_tunnels: dict[tuple[str, int], SshTunnel] = {}
"""The tunnels of this process by address: one for all that a command does. A forked child has its own."""


def tunnel_to(address: EngineAddress, seconds: float = READY_SECONDS) -> SshTunnel:
    """Return the connection of this process to an engine; open it within `seconds` if it is not open.

    Raises EngineUnavailable.
    """
    key = (address.text, os.getpid())
    tunnel = _tunnels.get(key)
    if tunnel is None or not tunnel.runs:
        if tunnel is not None:
            tunnel.close()
        _tunnels[key] = tunnel = _open(address, seconds)
        atexit.register(tunnel.close)
    return tunnel


def open_tunnel(address: EngineAddress) -> SshTunnel:
    """Return the open connection to an engine. Raise EngineUnavailable, with the cause, if it has ended."""
    tunnel = _tunnels.get((address.text, os.getpid()))
    if tunnel is None or not tunnel.runs:
        raise tunnel.problem() if tunnel else failure(address, "")
    return tunnel


def lost_connection() -> EngineUnavailable | None:
    """Return the error for a connection of this process that has ended, or is ending now; else None."""
    own = [tunnel for (_, pid), tunnel in _tunnels.items() if pid == os.getpid()]
    for tunnel in own:
        with contextlib.suppress(subprocess.TimeoutExpired):
            tunnel.process.wait(ENDING_SECONDS)
            return tunnel.problem()
    return None


def command(address: EngineAddress, local_socket: Path) -> list[str]:
    """Return the command that forwards the socket. The parts of the address cannot be taken for options."""
    script = SCRIPT.format(path=address.path, ready=READY, absent=ABSENT, denied=DENIED)
    options = [word for name, value in OPTIONS.items() for word in ("-o", f"{name}={value}")]
    port = ["-p", str(address.port)] if address.port else []
    user = ["-l", address.user] if address.user else []
    forward = ["-L", f"{local_socket}:{address.path}"]
    return ["ssh", "-T", *options, *port, *user, *forward, "--", address.host, f"sh -c '{script}'"]


def failure(address: EngineAddress, errors: str) -> EngineUnavailable:
    """Return the error for what `ssh` printed."""
    target = f"{address.user}@{address.host}" if address.user else address.host
    known = f"'[{address.host}]:{address.port}'" if address.port else address.host
    target_options = f"-p {address.port} {target}" if address.port else target
    for pattern, cause, hint in CAUSES:
        if re.search(pattern, errors):
            return _unavailable(address, cause, hint.format(target=target_options, known=known))
    lines = [line for line in (_printable(each) for each in errors.splitlines()) if line]
    return _unavailable(address, lines[-1][:200] if lines else "the connection ended", f"ssh {target_options} true")


def _unavailable(address: EngineAddress, cause: str, hint: str) -> EngineUnavailable:
    return EngineUnavailable(f"the Docker Engine at {address.text} cannot be reached over SSH: {cause}", hint=hint)


def _printable(line: str) -> str:
    return "".join(char for char in line if char.isprintable()).strip()


def _open(address: EngineAddress, seconds: float) -> SshTunnel:
    if shutil.which("ssh") is None:
        raise EngineUnavailable(
            f"the Docker Engine at {address.text} needs an SSH client, and there is none",
            hint="install OpenSSH's client: apt install openssh-client",
        )
    _remove_stale()
    directory = Path(tempfile.mkdtemp(prefix=PREFIX, dir=_parent()))
    with (directory / ERRORS_FILE).open("wb") as errors:
        process = subprocess.Popen(
            command(address, directory / SOCKET_FILE),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=errors,
            start_new_session=True,  # Ctrl-C is for this process, which still has to tidy up on the engine
        )
    tunnel = SshTunnel(address, directory, process)
    try:
        _await_ready(tunnel, Deadline.after(seconds))
    except BaseException:
        tunnel.close()
        raise
    return tunnel


def _await_ready(tunnel: SshTunnel, deadline: Deadline) -> None:
    """Wait until the remote side has said that the socket is there. Raise EngineUnavailable."""
    address = tunnel.address
    for line in _lines(tunnel.process.stdout, deadline):
        if line == READY:
            return
        if line == ABSENT:
            raise _unavailable(
                address,
                f"there is no socket {address.path}",
                f"start Docker there, or name its socket: {address.text}/PATH",
            )
        if line == DENIED:
            hint = "let that user join the docker group there: sudo usermod -aG docker USER"
            raise _unavailable(address, f"its user may not open {address.path}", hint)
    if deadline.passed:
        raise _unavailable(address, f"it did not answer within {deadline.seconds:g} s", f"ssh {address.host} true")
    with contextlib.suppress(subprocess.TimeoutExpired):
        tunnel.process.wait(END_SECONDS)
    raise tunnel.problem()


def _lines(output: IO[bytes] | None, deadline: Deadline) -> Iterator[str]:
    """Yield the lines that a process prints, until it ends or the deadline has passed."""
    if output is None:
        return
    rest = b""
    with selectors.DefaultSelector() as selector:
        selector.register(output, selectors.EVENT_READ)
        while selector.select(deadline.remaining) and (chunk := os.read(output.fileno(), 4096)):
            *complete, rest = (rest + chunk).split(b"\n")
            yield from (line.decode("utf-8", "replace").strip() for line in complete)


def _parent() -> Path:
    """Return a directory for a socket: its path must be short."""
    candidates = (os.environ.get("XDG_RUNTIME_DIR", ""), tempfile.gettempdir(), "/tmp")  # noqa: S108 - mkdtemp below
    fitting = (Path(each) for each in candidates if each and len(os.fsencode(each)) <= MAX_DIRECTORY)
    return next((each for each in fitting if os.access(each, os.W_OK)), Path(tempfile.gettempdir()))


def _remove_stale() -> None:
    """Remove the directories of commands that were killed: nothing listens at their socket."""
    for directory in _parent().glob(f"{PREFIX}*"):
        with contextlib.suppress(OSError):
            if directory.stat().st_uid == os.geteuid() and _is_stale(directory):
                shutil.rmtree(directory, ignore_errors=True)


def _is_stale(directory: Path) -> bool:
    with socket.socket(socket.AF_UNIX) as probe:
        probe.settimeout(1.0)
        try:
            probe.connect(str(directory / SOCKET_FILE))
        except ConnectionRefusedError:
            return True
        except OSError:
            return time.time() - directory.stat().st_mtime > STALE_SECONDS
    return False
