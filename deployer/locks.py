"""One command at a time on one folder: an advisory lock that dies with its holder, and leaves no file behind."""

from __future__ import annotations

import contextlib
import fcntl
import getpass
import json
import os
import socket
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from deployer.errors import LockHeld

OWNER_FILE = ".lock-owner"
RETRY_SECONDS = 0.05


@contextmanager
def folder_lock(folder: Path, what: str, wait_seconds: float = 0.0) -> Iterator[None]:
    """Hold `folder` (made if missing, removed again if empty) for one command.

    The kernel lets go when the holder dies, however it dies. Raises LockHeld with the holder's name when it is not
    free within `wait_seconds`.
    """
    deadline = time.monotonic() + wait_seconds
    while (descriptor := _try_lock(folder)) is None:
        if time.monotonic() >= deadline:
            raise LockHeld(
                f"{what} is being worked on by {_owner(folder)}", hint="wait for it, or use --lock-wait SECONDS"
            )
        time.sleep(RETRY_SECONDS)
    try:
        _write_owner(folder)
        yield
    finally:
        _release(folder, descriptor)


def _try_lock(folder: Path) -> int | None:
    try:
        folder.mkdir(parents=True, exist_ok=True)
        descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    except (FileNotFoundError, FileExistsError):
        return None  # its last holder removed it under our hands
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        if os.path.samestat(os.fstat(descriptor), folder.stat()):
            return descriptor
    except (BlockingIOError, FileNotFoundError):
        pass  # held by another, or removed by its last holder between our opening and locking it
    os.close(descriptor)
    return None


def _release(folder: Path, descriptor: int) -> None:
    (folder / OWNER_FILE).unlink(missing_ok=True)
    with contextlib.suppress(OSError):
        folder.rmdir()
    os.close(descriptor)


def _write_owner(folder: Path) -> None:
    owner = {"pid": os.getpid(), "host": socket.gethostname(), "user": _user(), "since": time.strftime("%H:%M:%S")}
    with contextlib.suppress(OSError):
        (folder / OWNER_FILE).write_text(json.dumps(owner))


def _user() -> str:
    try:
        return getpass.getuser()
    except (KeyError, OSError):
        return str(os.getuid())


def _owner(folder: Path) -> str:
    try:
        owner = json.loads((folder / OWNER_FILE).read_text())
        return f"process {owner['pid']} of {owner['user']} on {owner['host']}, since {owner['since']}"
    except (OSError, ValueError, KeyError, TypeError, RecursionError):
        return "another command"
