"""SHA-256 of a folder's files while it is being filled: each is read once, and in the background."""

from __future__ import annotations

import os
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path

from deployer.system.files import sha256

Stamp = tuple[int, int, int]


@dataclass(frozen=True)
class Hashes:
    """What is known of the files of a folder; a file that has changed since is read again."""

    folder: Path
    _pool: ThreadPoolExecutor = field(default_factory=ThreadPoolExecutor)
    _known: dict[Path, tuple[Stamp, Future[str]]] = field(default_factory=dict)

    def begin(self) -> None:
        """Hash what is there by now, and bring it to the disk, while the caller goes on."""
        for path in self.folder.rglob("*"):
            if path.is_file():
                self._digest_of(path)

    def all(self) -> dict[str, str]:
        """Of every file, by its path with `/`; all cores take part. Raises OSError."""
        self.begin()
        files = sorted(path for path in self.folder.rglob("*") if path.is_file())
        return {path.relative_to(self.folder).as_posix(): self._digest_of(path).result() for path in files}

    def close(self) -> None:
        """Wait for what is under way, and begin nothing more."""
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
    """Its hash; then it is written out, so that nothing is left to wait for in the end."""
    digest = sha256(path)
    with path.open("rb") as file:
        os.fsync(file.fileno())
    return digest
