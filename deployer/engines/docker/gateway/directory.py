"""The folder of a deployment's gateway. Its symbolic links say what is in force, and each changes in one step.

STATE_DIR/gateway/ENV/NAME/token         the tool's own bearer token
                           self-signed.pem  the tool's own certificate, where there is no other
                           run/          what the gateway's container sees
                               current -> GENERATION
                               GENERATION/{a,b}.cfg, active.cfg -> one of them, tokens, server.pem, admin.sock

A generation is one gateway: other settings are another generation. The link `current` names the one that holds the
ports, its link `active.cfg` the slot that serves; so a gateway that starts again serves what it served.
"""

from __future__ import annotations

import contextlib
import os
import re
import shutil
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from deployer.errors import EngineError

SLOTS = ("a", "b")
NOBODY = 65534
CURRENT, ACTIVE, BEFORE, SOCKET = "current", "active.cfg", "before", "admin.sock"
GENERATION = re.compile(r"[0-9a-z-]{1,64}")
CONFIG = re.compile(r"([ab])\.cfg")


@dataclass(frozen=True)
class Active:
    """What is in force: which gateway holds the ports, and which slot it sends to."""

    generation: str
    slot: str


def owner() -> tuple[int, int]:
    """User and group of the gateway's process: whoever calls, because the folder is closed to others; never root."""
    return (NOBODY, NOBODY) if os.geteuid() == 0 else (os.geteuid(), os.getegid())


def other(slot: str) -> str:
    """The slot that this one is not."""
    return SLOTS[1 - SLOTS.index(slot)]


@dataclass(frozen=True)
class GatewayDir:
    """The folder at `path`, which need not exist."""

    path: Path

    @property
    def run(self) -> Path:
        """What the gateway's container sees."""
        return self.path / "run"

    @property
    def token(self) -> Path:
        """The file of the tool's own bearer token."""
        return self.path / "token"

    @property
    def self_signed(self) -> Path:
        """Key and certificate of the tool's own making."""
        return self.path / "self-signed.pem"

    def folder(self, generation: str) -> Path:
        """All that one gateway reads."""
        return self.run / generation

    def active(self) -> Active | None:
        """What is in force, or None where nothing was ever accepted.

        Raises EngineError where that cannot be told: a server that serves must not pass for one that does not.
        """
        try:
            generation = _link(self.run / CURRENT, GENERATION)[0]
            return Active(generation, _link(self.folder(generation) / ACTIVE, CONFIG)[1])
        except (FileNotFoundError, NotADirectoryError, ValueError):
            return None
        except OSError as error:
            hint = "it is its owner's alone: run the command as the user who deployed it"
            raise EngineError(
                f"the gateway's folder {self.path} cannot be read: {error.strerror}", hint=hint
            ) from error

    def make(self, generation: str, slot: str, files: Mapping[str, str]) -> None:
        """A gateway's files; it is not in force yet."""
        _private_folder(self.path, os.geteuid(), os.getegid())
        for folder in (self.run, self.folder(generation)):
            _private_folder(folder, *owner())
        for name, text in files.items():
            write_private(self.folder(generation) / name, text, *owner())
        self.set_slot(generation, slot)

    def set_slot(self, generation: str, slot: str) -> None:
        """Have a gateway send to a slot when it starts again."""
        _link_to(self.folder(generation) / ACTIVE, f"{slot}.cfg")

    def activate(self, generation: str) -> None:
        """Put a gateway in force."""
        _link_to(self.run / CURRENT, generation)

    def deactivate(self) -> None:
        """Have no gateway in force."""
        (self.run / CURRENT).unlink(missing_ok=True)

    def set_predecessor(self, generation: str, before: str | None) -> None:
        """Have a gateway take the ports from the one before when it starts; from nobody with None."""
        link = self.folder(generation) / BEFORE
        if before is None:
            link.unlink(missing_ok=True)
        else:
            _link_to(link, f"../{before}")

    def drop(self, generation: str) -> None:
        """Delete a gateway's files."""
        shutil.rmtree(self.folder(generation), ignore_errors=True)

    def prune(self, kept: set[str]) -> None:
        """Delete the generations that are not kept."""
        for folder in self.run.iterdir() if self.run.is_dir() else ():
            if folder.is_dir() and not folder.is_symlink() and folder.name not in kept:
                self.drop(folder.name)

    def delete(self) -> None:
        """All of it, what is in force first; the folders above go when nothing else is in them."""
        self.deactivate()
        shutil.rmtree(self.path, ignore_errors=True)
        for parent in list(self.path.parents)[:2]:
            with contextlib.suppress(OSError):
                parent.rmdir()


def write_private(path: Path, text: str, user: int, group: int) -> None:
    """A new file that only its owner may read. Raises OSError."""
    path.unlink(missing_ok=True)
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "w", encoding="utf-8") as file:
        _give(descriptor, user, group)
        file.write(text)
        file.flush()
        os.fsync(descriptor)


def _private_folder(path: Path, user: int, group: int) -> None:
    path.mkdir(mode=0o700, parents=True, exist_ok=True)
    path.chmod(0o700)
    _give(path, user, group)


def _give(what: int | Path, user: int, group: int) -> None:
    if os.geteuid() == 0:
        os.chown(what, user, group)


def _link(path: Path, pattern: re.Pattern[str]) -> re.Match[str]:
    target = str(path.readlink())
    if found := pattern.fullmatch(target):
        return found
    raise ValueError(f"{path} leads to {target!r}")


def _link_to(path: Path, target: str) -> None:
    beside = path.with_name(f".{path.name}.new")
    beside.unlink(missing_ok=True)
    beside.symlink_to(target)
    beside.replace(path)
    descriptor = os.open(path.parent, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
