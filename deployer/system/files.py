"""Files that are there whole or not at all, and what they hold in short."""

from __future__ import annotations

import errno
import hashlib
import os
import shlex
import shutil
import stat
import tempfile
from collections.abc import Iterator
from pathlib import Path

CHUNK_BYTES = 1 << 20
SMALL_FILE_BYTES = 1 << 16


def sha256(path: Path) -> str:
    """Of a file's bytes, in hex. Raises OSError."""
    hashed = hashlib.sha256()
    buffer = memoryview(bytearray(CHUNK_BYTES))
    with path.open("rb", buffering=0) as file:
        while count := file.readinto(buffer):
            hashed.update(buffer[:count])
    return hashed.hexdigest()


def write_atomically(path: Path, text: str) -> None:
    """Write beside, sync, rename: a reader or a crash sees the old text or the new one. An OSError names a file."""
    path.parent.mkdir(parents=True, exist_ok=True)
    descriptor, beside = tempfile.mkstemp(prefix=f".{path.name}.", dir=path.parent)
    try:
        with os.fdopen(descriptor, "w", encoding="utf-8") as file:
            os.fchmod(file.fileno(), 0o644)
            file.write(text)
            file.flush()
            os.fsync(file.fileno())
        Path(beside).replace(path)
    except BaseException as error:
        Path(beside).unlink(missing_ok=True)
        if isinstance(error, OSError) and error.filename is None:  # as of a write that found the disk full
            raise OSError(error.errno, error.strerror, str(path)) from error
        raise


def os_error_hint(refusal: OSError) -> str:
    """What to do where the system refuses to read or write."""
    full = refusal.errno in (errno.ENOSPC, errno.EDQUOT)
    return "make room on that disk" if full else "check the path and its permissions"


def is_full(folder: Path) -> bool:
    """Whether the disk under a folder has no room for even a small file."""
    try:
        return shutil.disk_usage(folder).free < SMALL_FILE_BYTES
    except OSError:
        return False


def first_unreadable(path: Path, root: Path, user: tuple[int, int] | None = None) -> Path | None:
    """The first of `root`, the folders down to `path` and what is below it that the modes close to a user and group.

    None when all may be read. Without a user: to one who is neither owner nor in the group.
    """
    parts = path.relative_to(root).parts
    levels = [root.joinpath(*parts[:depth]) for depth in range(len(parts) + 1)]
    return next((each for each in _walk(levels) if not _is_readable(each, user)), None)


def chmod_command(level: Path, version: Path) -> str:
    """The command that opens a closed level to every user; of a version all at once."""
    if level.is_relative_to(version):
        return f"chmod -R a+rX {shlex.quote(str(version))}"
    return f"chmod a+rx {shlex.quote(str(level))}"


def _walk(levels: list[Path]) -> Iterator[Path]:
    yield from levels
    for folder, folders, files in os.walk(levels[-1]):
        yield from (Path(folder, name) for name in (*folders, *files))


def _is_readable(path: Path, user: tuple[int, int] | None) -> bool:
    try:
        found = path.stat()
    except OSError:
        return True  # it is another's to say what is wrong with it
    shift = 0
    if user:
        shift = 6 if found.st_uid == user[0] else 3 if found.st_gid == user[1] else 0
    needed = 0o5 if stat.S_ISDIR(found.st_mode) else 0o4
    return (found.st_mode >> shift) & needed == needed
