"""Files: atomic writes, digests, permissions."""

from __future__ import annotations

import atexit
import errno
import hashlib
import os
import shlex
import shutil
import stat
import tempfile
from collections.abc import Callable, Iterator
from functools import cache
from pathlib import Path

CHUNK_BYTES = 1 << 20
SMALL_FILE_BYTES = 1 << 16


def sha256(path: Path, read: Callable[[int], object] = lambda _: None) -> str:
    """Return the SHA-256 of a file's bytes, in hex; `read` is called with the bytes read so far. Raises OSError."""
    digest, size = hashlib.sha256(), 0
    buffer = memoryview(bytearray(CHUNK_BYTES))
    with path.open("rb", buffering=0) as file:
        while count := file.readinto(buffer):
            digest.update(buffer[:count])
            size += count
            read(size)
    return digest.hexdigest()


def write_atomically(path: Path, text: str) -> None:
    """Write a file so that readers and crashes see the old text or the new one. Raises an OSError that names a file."""
    path.parent.mkdir(parents=True, exist_ok=True)
    descriptor, temporary = tempfile.mkstemp(prefix=f".{path.name}.", dir=path.parent)
    try:
        with os.fdopen(descriptor, "w", encoding="utf-8") as file:
            os.fchmod(file.fileno(), 0o644)
            file.write(text)
            file.flush()
            os.fsync(file.fileno())
        Path(temporary).replace(path)
    except BaseException as error:
        Path(temporary).unlink(missing_ok=True)
        if isinstance(error, OSError) and error.filename is None:  # a write to a full disk names no file
            raise OSError(error.errno, error.strerror, str(path)) from error
        raise


@cache
def private_directory() -> Path:
    """Return a directory that only this user can read. It is deleted when this process ends."""
    directory = Path(tempfile.mkdtemp(prefix="deployer-"))
    atexit.register(shutil.rmtree, directory, ignore_errors=True)
    return directory


def os_error_hint(error: OSError) -> str:
    """Return the hint for a file that the system refused to read or write."""
    is_full = error.errno in (errno.ENOSPC, errno.EDQUOT)
    return "free space on that disk" if is_full else "check the path and its permissions"


def is_full(directory: Path) -> bool:
    """Return whether the disk of a directory has no space for even a small file."""
    try:
        return shutil.disk_usage(directory).free < SMALL_FILE_BYTES
    except OSError:
        return False


def first_unreadable(path: Path, root: Path, user: tuple[int, int] | None = None) -> Path | None:
    """Return the first path that a user and group cannot read, of `root`, the directories to `path`, and all below it.

    Without `user` the permissions of others count. None when everything is readable.
    """
    parts = path.relative_to(root).parts
    levels = [root.joinpath(*parts[:depth]) for depth in range(len(parts) + 1)]
    return next((each for each in _walk(levels) if not _is_readable(each, user)), None)


def chmod_command(path: Path, version: Path) -> str:
    """Return the command that makes an unreadable path readable for all users. In a version, it is for all files."""
    if path.is_relative_to(version):
        return f"chmod -R a+rX {shlex.quote(str(version))}"
    return f"chmod a+rx {shlex.quote(str(path))}"


def _walk(levels: list[Path]) -> Iterator[Path]:
    yield from levels
    for directory, directories, files in os.walk(levels[-1]):
        yield from (Path(directory, name) for name in (*directories, *files))


def _is_readable(path: Path, user: tuple[int, int] | None) -> bool:
    try:
        found = path.stat()
    except OSError:
        return True  # reading the file reports what is wrong with it
    shift = 0
    if user:
        shift = 6 if found.st_uid == user[0] else 3 if found.st_gid == user[1] else 0
    required = 0o5 if stat.S_ISDIR(found.st_mode) else 0o4
    return (found.st_mode >> shift) & required == required
