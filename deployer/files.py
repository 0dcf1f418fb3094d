"""Files that are there whole or not at all, and what they hold in short."""

from __future__ import annotations

import errno
import hashlib
import os
import shutil
import tempfile
from pathlib import Path

CHUNK_BYTES = 1 << 20
SMALL_BYTES = 1 << 16


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


def remedy(refusal: OSError) -> str:
    """What to do where the system refuses to read or write."""
    full = refusal.errno in (errno.ENOSPC, errno.EDQUOT)
    return "make room on that disk" if full else "check the path and its permissions"


def is_full(folder: Path) -> bool:
    """Whether the disk under a folder has no room for even a small file."""
    try:
        return shutil.disk_usage(folder).free < SMALL_BYTES
    except OSError:
        return False
