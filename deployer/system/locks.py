"""One command at a time on one folder: an advisory lock that dies with its holder, and leaves no file behind."""

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
def folder_lock(folder: Path, what: str, wait_seconds: float = 0.0) -> Iterator[None]:
    """Hold `folder` (made if missing, removed again if empty) for one command.

    The kernel lets go when the holder dies, however it dies. Raises LockHeld with the holder's name when it is not
    free within `wait_seconds`.
    """
    deadline = time.monotonic() + wait_seconds
    while (descriptor := _try_lock(folder)) is None:
        if time.monotonic() >= deadline:
            raise LockHeld(
                f"{what} is being worked on by {_owner(folder) or 'another command'}",
                hint="wait for it, or use --lock-wait SECONDS",
            )
        time.sleep(RETRY_SECONDS)
    try:
        _write_owner(folder)
        yield
    finally:
        _release(folder, descriptor)


def _try_lock(folder: Path) -> int | None:
    """Its descriptor, or None where another holds it; when its last holder removes it meanwhile, it is made again."""
    for _ in range(MAX_TRIES):
        with contextlib.suppress(FileNotFoundError, FileExistsError):
            return _open_and_lock(folder)
    return None


def _open_and_lock(folder: Path) -> int | None:
    folder.mkdir(parents=True, exist_ok=True)
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        if os.path.samestat(os.fstat(descriptor), folder.stat()):
            return descriptor
    except BlockingIOError:
        os.close(descriptor)
        return None
    except BaseException:
        os.close(descriptor)
        raise
    os.close(descriptor)
    raise FileNotFoundError(str(folder))  # that name is another folder's by now


def _release(folder: Path, descriptor: int) -> None:
    (folder / OWNER_FILE).unlink(missing_ok=True)
    with contextlib.suppress(OSError):
        folder.rmdir()
    os.close(descriptor)


def lock_owner(folder: Path) -> Owner | None:
    """Who works on the folder now. Raises LockHeld for one who cannot be told."""
    if not folder.is_dir():
        return None
    descriptor = _try_lock(folder)
    if descriptor is not None:
        _release(folder, descriptor)
        return None
    owner = _owner(folder)
    if owner is None:
        raise LockHeld(f"{folder} is being worked on by a command that does not tell its name", hint="try again")
    return owner


def _write_owner(folder: Path) -> None:
    with contextlib.suppress(OSError):
        (folder / OWNER_FILE).write_text(current_owner().to_json())


def _owner(folder: Path) -> Owner | None:
    with contextlib.suppress(OSError, UnicodeDecodeError):
        return parse_owner((folder / OWNER_FILE).read_text())
    return None
