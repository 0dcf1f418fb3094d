"""Compute SHA-256 digests of a directory's files in the background while it is being filled."""

from __future__ import annotations

import os
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path

from deployer.system.files import sha256

Stamp = tuple[int, int, int]


@dataclass(frozen=True)
class Hashes:
    """The digests of a directory's files, each read once and again only if it changed."""

    directory: Path
    _pool: ThreadPoolExecutor = field(default_factory=ThreadPoolExecutor)
    _known: dict[Path, tuple[Stamp, Future[str]]] = field(default_factory=dict)

    def begin(self) -> None:
        """Hash and sync the existing files in the background."""
        for path in self.directory.rglob("*"):
            if path.is_file():
                self._digest_of(path)

    def all(self) -> dict[str, str]:
        """Return the digest of every file by its POSIX path, computed on all cores. Raises OSError."""
        self.begin()
        files = sorted(path for path in self.directory.rglob("*") if path.is_file())
        return {path.relative_to(self.directory).as_posix(): self._digest_of(path).result() for path in files}

    def close(self) -> None:
        """Wait for the running computations and cancel the others."""
        self._pool.shutdown(cancel_futures=True)

    def _digest_of(self, path: Path) -> Future[str]:
        stamp = _stamp(path)
        if path not in self._known or self._known[path][0] != stamp:
            self._known[path] = (stamp, self._pool.submit(_hashed, path))
        return self._known[path][1]


def _stamp(path: Path) -> Stamp:
    status = path.stat()
    return status.st_ino, status.st_size, status.st_mtime_ns


def _hashed(path: Path) -> str:
    """Return the digest and sync the file, so that no unwritten data is left at publish time."""
    digest = sha256(path)
    with path.open("rb") as file:
        os.fsync(file.fileno())
    return digest
