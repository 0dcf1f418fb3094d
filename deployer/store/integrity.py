"""Compares the files of a version with the digests that its export recorded.

A digest is computed once in a process, and again only if the file has changed since.
"""

from __future__ import annotations

from functools import lru_cache
from pathlib import Path

from deployer.savedmodel.layout import MANIFEST_FILE
from deployer.store.manifest import recorded_digests
from deployer.system.files import sha256

SMALL_BYTES = 1 << 20
"""Files up to this size are always compared."""
MAX_DIGESTS = 1 << 14


def find_damage(version: Path, *, every_file: bool = False) -> str:
    """Return a sentence about the first file of a version that is not what was exported; empty if there is none.

    Without `every_file`, large files are compared only if they were modified after the manifest was written: the time
    that this takes does not depend on the size of the model.
    """
    try:
        written = (version / MANIFEST_FILE).stat().st_mtime
    except OSError:
        return ""
    for name, digest in recorded_digests(version).items():
        file = version / name
        try:
            found = file.stat()
            is_compared = every_file or found.st_mtime > written or found.st_size <= SMALL_BYTES
            if is_compared and _digest(file) != digest:
                return f"{file} is not what was exported"
        except OSError as error:
            return f"{file}: {error.strerror or error}"
    return ""


def _digest(file: Path) -> str:
    found = file.stat()
    return _digest_of(file.absolute(), (found.st_ino, found.st_size, found.st_mtime_ns, found.st_ctime_ns))


@lru_cache(MAX_DIGESTS)
def _digest_of(file: Path, _: tuple[int, int, int, int]) -> str:
    return sha256(file)
