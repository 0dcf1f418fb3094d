"""Compute SHA-256 digests of a directory's files in the background while it is being filled."""

from __future__ import annotations

import os
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor, wait
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

from deployer.system.files import sha256

Stamp = tuple[int, int, int]
REPORT_SECONDS = 0.2


@dataclass(frozen=True)
class Hashes:
    """The digests of a directory's files, each read once and again only if it changed."""

    directory: Path
    _pool: ThreadPoolExecutor = field(default_factory=ThreadPoolExecutor)
    _known: dict[Path, tuple[Stamp, Future[str]]] = field(default_factory=dict)
    _read: dict[Path, int] = field(default_factory=dict)
    """The bytes of each file that were read so far."""

    def begin(self) -> None:
        """Hash and sync the existing files in the background."""
        for path in self.directory.rglob("*"):
            if path.is_file():
                self._digest_of(path)

    def all(self, report: Callable[[int], None] = lambda _: None) -> dict[str, str]:
        """Return the digest of every file by its POSIX path, computed on all cores. Raises OSError.

        While it waits, it calls `report` with the bytes that were read so far.
        """
        files = sorted(path for path in self.directory.rglob("*") if path.is_file())
        digests = {path.relative_to(self.directory).as_posix(): self._digest_of(path) for path in files}
        while wait(digests.values(), REPORT_SECONDS).not_done:
            report(sum(self._read.values()))
        return {name: digest.result() for name, digest in digests.items()}

    def close(self) -> None:
        """Wait for the running computations and cancel the others."""
        self._pool.shutdown(cancel_futures=True)

    def _digest_of(self, path: Path) -> Future[str]:
        stamp = _stamp(path)
        if path not in self._known or self._known[path][0] != stamp:
            self._known[path] = (stamp, self._pool.submit(self._hashed, path))
        return self._known[path][1]

    def _hashed(self, path: Path) -> str:
        """Return the digest and sync the file, so that no unwritten data is left at publish time."""
        digest = sha256(path, partial(self._read.__setitem__, path))
        with path.open("rb") as file:
            os.fsync(file.fileno())
        return digest


def _stamp(path: Path) -> Stamp:
    status = path.stat()
    return status.st_ino, status.st_size, status.st_mtime_ns
