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
CURRENT, ACTIVE, PREDECESSOR, SOCKET = "current", "active.cfg", "before", "admin.sock"
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


def other_slot(slot: str) -> str:
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

    def generation_dir(self, generation: str) -> Path:
        """All that one gateway reads."""
        return self.run / generation

    def active(self) -> Active | None:
        """What is in force, or None where nothing was ever accepted.

        Raises EngineError where that cannot be told: a server that serves must not pass for one that does not.
        """
        try:
            generation = _read_link(self.run / CURRENT, GENERATION)[0]
            return Active(generation, _read_link(self.generation_dir(generation) / ACTIVE, CONFIG)[1])
        except (FileNotFoundError, NotADirectoryError, ValueError):
            return None
        except OSError as error:
            hint = "it is its owner's alone: run the command as the user who deployed it"
            raise EngineError(
                f"the gateway's folder {self.path} cannot be read: {error.strerror}", hint=hint
            ) from error

    def make(self, generation: str, slot: str, files: Mapping[str, str]) -> None:
        """A gateway's files; it is not in force yet."""
        _make_private_dir(self.path, os.geteuid(), os.getegid())
        for directory in (self.run, self.generation_dir(generation)):
            _make_private_dir(directory, *owner())
        for name, text in files.items():
            write_private(self.generation_dir(generation) / name, text, *owner())
        self.set_slot(generation, slot)

    def set_slot(self, generation: str, slot: str) -> None:
        """Have a gateway send to a slot when it starts again."""
        _replace_link(self.generation_dir(generation) / ACTIVE, f"{slot}.cfg")

    def activate(self, generation: str) -> None:
        """Put a gateway in force."""
        _replace_link(self.run / CURRENT, generation)

    def deactivate(self) -> None:
        """Have no gateway in force."""
        (self.run / CURRENT).unlink(missing_ok=True)

    def set_predecessor(self, generation: str, predecessor: str | None) -> None:
        """Have a gateway take the ports from the one before when it starts; from nobody with None."""
        link = self.generation_dir(generation) / PREDECESSOR
        if predecessor is None:
            link.unlink(missing_ok=True)
        else:
            _replace_link(link, f"../{predecessor}")

    def drop(self, generation: str) -> None:
        """Delete a gateway's files."""
        shutil.rmtree(self.generation_dir(generation), ignore_errors=True)

    def prune(self, kept: set[str]) -> None:
        """Delete the generations that are not kept."""
        for directory in self.run.iterdir() if self.run.is_dir() else ():
            if directory.is_dir() and not directory.is_symlink() and directory.name not in kept:
                self.drop(directory.name)

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
