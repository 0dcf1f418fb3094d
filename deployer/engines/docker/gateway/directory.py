"""The directory of a deployment's gateway. Its symbolic links record what is active, and each changes atomically.

STATE_DIR/gateway/ENV/NAME/token         the tool's bearer token
                           self-signed.pem  the tool's certificate, without one of the user
                           accepted         a gateway was accepted: the certificate stays until `down`
                           run/          the directory that the gateway's container sees
                               current -> GENERATION
                               GENERATION/{a,b}.cfg, active.cfg -> one of them, tokens, server.pem, admin.sock

A generation is one gateway; changed settings make a new one. The link `current` names the generation that holds the
ports, and its link `active.cfg` the slot that serves: so a gateway that is restarted serves the same slot.
"""

from __future__ import annotations

import contextlib
import os
import re
import shutil
import socket
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from docker.types import Mount

from deployer.errors import EngineError

SLOTS = ("a", "b")
NOBODY = 65534
MOUNT = "/gateway"
"""Where the container sees the directory `run`."""

SECONDS = 10.0
CHUNK_BYTES = 1 << 16
CURRENT, ACTIVE, PREDECESSOR, SOCKET = "current", "active.cfg", "before", "admin.sock"
GENERATION = re.compile(r"[0-9a-z-]{1,64}")
CONFIG = re.compile(r"([ab])\.cfg")


@dataclass(frozen=True)
class Active:
    """The generation that holds the ports, and the slot that it routes to."""

    generation: str
    slot: str


def owner() -> tuple[int, int]:
    """Return user and group of the gateway's process: the caller's, because the directory is private; never root's."""
    return (NOBODY, NOBODY) if os.geteuid() == 0 else (os.geteuid(), os.getegid())


def ask_socket(directory: Path, command: str) -> str:
    """Return what the gateway with a socket in `directory` answers to a command. Raise OSError."""
    # The socket is opened through its directory: its own path may be longer than the kernel accepts.
    descriptor = os.open(directory, os.O_RDONLY | os.O_DIRECTORY)
    try:
        with socket.socket(socket.AF_UNIX) as sock:
            sock.settimeout(SECONDS)
            sock.connect(f"/proc/self/fd/{descriptor}/{SOCKET}")
            sock.sendall(f"{command}\n".encode())
            return b"".join(iter(lambda: sock.recv(CHUNK_BYTES), b"")).decode("utf-8", "replace")
    finally:
        os.close(descriptor)


def other_slot(slot: str) -> str:
    """Return the other slot."""
    return SLOTS[1 - SLOTS.index(slot)]


@dataclass(frozen=True)
class GatewayDir:
    """The gateway's directory at `path`, which need not exist."""

    path: Path

    @property
    def run(self) -> Path:
        """The directory that the gateway's container sees."""
        return self.path / "run"

    @property
    def owner(self) -> tuple[int, int]:
        """User and group of the gateway's process."""
        return owner()

    @property
    def mount(self) -> Mount:
        """The mount of the gateway's container, at MOUNT."""
        return Mount(target=MOUNT, source=str(self.run), type="bind")

    def ask(self, generation_dir: Path, command: str) -> str:
        """Return what the gateway of a generation answers to a command on its runtime socket. Raise OSError."""
        return ask_socket(generation_dir, command)

    @property
    def token(self) -> Path:
        """The file of the tool's bearer token."""
        return self.path / "token"

    @property
    def self_signed(self) -> Path:
        """The file of the tool's key and certificate."""
        return self.path / "self-signed.pem"

    @property
    def accepted(self) -> Path:
        """The file that marks the certificate as that of an accepted gateway, which clients may trust."""
        return self.path / "accepted"

    @property
    def in_use(self) -> bool:
        """Whether it has more than the certificate of a gateway that is gone."""
        kept = {self.accepted.name, self.self_signed.name} if self.accepted.exists() else set()
        return self.path.is_dir() and any(entry.name not in kept for entry in self.path.iterdir())

    def generation_dir(self, generation: str) -> Path:
        """Return the directory of one generation."""
        return self.run / generation

    def active(self) -> Active | None:
        """Return the active generation and slot; None if none was ever accepted.

        Raises EngineError if the links cannot be read: a serving server must not be taken for one that does not serve.
        """
        try:
            generation = _read_link(self.run / CURRENT, GENERATION)[0]
            return Active(generation, _read_link(self.generation_dir(generation) / ACTIVE, CONFIG)[1])
        except (FileNotFoundError, NotADirectoryError, ValueError):
            return None
        except OSError as error:
            hint = "it is its owner's alone: run the command as the user who deployed it"
            raise EngineError(
                f"the gateway's directory {self.path} cannot be read: {error.strerror}", hint=hint
            ) from error

    def make(self, generation: str, slot: str, files: Mapping[str, str]) -> None:
        """Write the files of a generation, which is not active yet."""
        _make_private_dir(self.path, os.geteuid(), os.getegid())
        for directory in (self.run, self.generation_dir(generation)):
            _make_private_dir(directory, *owner())
        for name, text in files.items():
            write_private(self.generation_dir(generation) / name, text, *owner())
        self.set_slot(generation, slot)

    def set_slot(self, generation: str, slot: str) -> None:
        """Set the slot to which a gateway routes after its next start."""
        _replace_link(self.generation_dir(generation) / ACTIVE, f"{slot}.cfg")

    def restore(self, active: Active) -> None:
        """Make what the gateway's container sees agree with this record, after a command was killed."""

    def activate(self, generation: str) -> None:
        """Make a generation the active one."""
        self.keep_certificate()
        _replace_link(self.run / CURRENT, generation)

    def keep_certificate(self) -> None:
        """Keep the tool's certificate until `delete`: a gateway with it was accepted."""
        if self.self_signed.exists():
            self.accepted.touch(mode=0o600)

    def deactivate(self) -> None:
        """Make no generation active."""
        (self.run / CURRENT).unlink(missing_ok=True)

    def set_predecessor(self, generation: str, predecessor: str | None) -> None:
        """Set the generation from which a gateway takes its ports at the next start; None for none."""
        link = self.generation_dir(generation) / PREDECESSOR
        if predecessor is None:
            link.unlink(missing_ok=True)
        else:
            _replace_link(link, f"../{predecessor}")

    def drop(self, generation: str) -> None:
        """Delete the files of a generation."""
        shutil.rmtree(self.generation_dir(generation), ignore_errors=True)

    def prune(self, kept: set[str]) -> None:
        """Delete the generations that are not in `kept`."""
        for directory in self.run.iterdir() if self.run.is_dir() else ():
            if directory.is_dir() and not directory.is_symlink() and directory.name not in kept:
                self.drop(directory.name)

    def clear(self) -> None:
        """Delete everything but the certificate of an accepted gateway, and the directories that are empty then."""
        self.deactivate()
        kept = {self.accepted, self.self_signed} if self.accepted.exists() and self.self_signed.exists() else set()
        for entry in self.path.iterdir() if self.path.is_dir() else ():
            if entry.is_dir():
                shutil.rmtree(entry, ignore_errors=True)
            elif entry not in kept:
                entry.unlink(missing_ok=True)
        for directory in (self.path, *list(self.path.parents)[:2]):
            with contextlib.suppress(OSError):
                directory.rmdir()

    def delete(self) -> None:
        """Delete the directory, and its parents if they are empty."""
        self.accepted.unlink(missing_ok=True)
        self.clear()


def write_private(path: Path, text: str, user: int, group: int) -> None:
    """Write a new file that only its owner may read. Raise OSError."""
    path.unlink(missing_ok=True)
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "w", encoding="utf-8") as file:
        _chown(descriptor, user, group)
        file.write(text)
        file.flush()
        os.fsync(descriptor)


def _make_private_dir(path: Path, user: int, group: int) -> None:
    path.mkdir(mode=0o700, parents=True, exist_ok=True)
    path.chmod(0o700)
    _chown(path, user, group)


def _chown(target: int | Path, user: int, group: int) -> None:
    if os.geteuid() == 0:
        os.chown(target, user, group)


def _read_link(path: Path, pattern: re.Pattern[str]) -> re.Match[str]:
    target = str(path.readlink())
    if match := pattern.fullmatch(target):
        return match
    raise ValueError(f"{path} leads to {target!r}")


def _replace_link(path: Path, target: str) -> None:
    temporary = path.with_name(f".{path.name}.new")
    temporary.unlink(missing_ok=True)
    temporary.symlink_to(target)
    temporary.replace(path)
    descriptor = os.open(path.parent, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
