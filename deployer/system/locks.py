"""A lock on a directory: one command at a time. The kernel releases it when the process ends."""

from __future__ import annotations

import contextlib
import fcntl
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from deployer.errors import LockHeld
from deployer.system.owners import Owner, current_owner, parse_owner

OWNER_FILE = ".lock-owner"
RETRY_SECONDS = 0.05
MAX_TRIES = 20


@contextmanager
def directory_lock(directory: Path, what: str, wait_seconds: float = 0.0) -> Iterator[None]:
    """Lock a directory while the block runs. The directory is made if missing, and removed again if empty.

    Raises LockHeld, with the owner, when the lock is not free within `wait_seconds`, and OSError for a directory that
    cannot be made. `what` names the locked thing.
    """
    deadline = time.monotonic() + wait_seconds
    while (descriptor := _try_lock(directory)) is None:
        if time.monotonic() >= deadline:
            raise LockHeld(
                f"{what} is being worked on by {_read_owner(directory) or 'another command'}",
                hint="wait for it, or use --lock-wait SECONDS",
            )
        time.sleep(RETRY_SECONDS)
    try:
        _write_owner(directory)
        yield
    finally:
        _release(directory, descriptor)


def _try_lock(directory: Path) -> int | None:
    """Lock a directory and return its descriptor, or None when another process holds the lock."""
    for _ in range(MAX_TRIES):  # the last owner may remove the directory between the calls: make it again
        with contextlib.suppress(FileNotFoundError, FileExistsError):
            return _open_and_lock(directory)
    directory.mkdir(parents=True, exist_ok=True)  # raises the error of a path that cannot be made, such as one in /proc
    return None


def _open_and_lock(directory: Path) -> int | None:
    directory.mkdir(parents=True, exist_ok=True)
    descriptor = os.open(directory, os.O_RDONLY | os.O_DIRECTORY)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        if os.path.samestat(os.fstat(descriptor), directory.stat()):
            return descriptor
    except BlockingIOError:
        os.close(descriptor)
        return None
    except BaseException:
        os.close(descriptor)
        raise
    os.close(descriptor)
    raise FileNotFoundError(str(directory))  # the path is a new directory by now


def _release(directory: Path, descriptor: int) -> None:
    (directory / OWNER_FILE).unlink(missing_ok=True)
    with contextlib.suppress(OSError):
        directory.rmdir()
    os.close(descriptor)


def lock_owner(directory: Path) -> Owner | None:
    """Return the owner of a directory's lock; None when it is free. Raises LockHeld when the owner is unknown."""
    if not directory.is_dir():
        return None
    descriptor = _try_lock(directory)
    if descriptor is not None:
        _release(directory, descriptor)
        return None
    owner = _read_owner(directory)
    if owner is None:
        raise LockHeld(f"{directory} is being worked on by a command that does not give its name", hint="try again")
    return owner


def _write_owner(directory: Path) -> None:
    with contextlib.suppress(OSError):
        (directory / OWNER_FILE).write_text(current_owner().to_json())


def _read_owner(directory: Path) -> Owner | None:
    with contextlib.suppress(OSError, UnicodeDecodeError):
        return parse_owner((directory / OWNER_FILE).read_text())
    return None
