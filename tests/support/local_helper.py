"""A helper whose volume is a directory of this machine: the same scripts, without an engine."""

from __future__ import annotations

import subprocess
import tarfile
from collections.abc import Iterable, Mapping
from pathlib import Path

from deployer.engines.docker.remote.helper import texts_archive
from deployer.errors import EngineError


class Cut(EngineError):
    """The connection broke."""


class LocalHelper:
    """Runs the scripts that a helper runs. Of the next archive, `cut_after` bytes arrive before the connection ends."""

    runs = True

    def __init__(self, session: str) -> None:
        self.id = session
        self.cut_after: int | None = None
        self.received = 0

    def run(self, script: str, *arguments: str) -> str:
        ended = subprocess.run(
            ["bash", "-c", script, "bash", *arguments], capture_output=True, text=True, timeout=60, check=False
        )
        if ended.returncode:
            raise EngineError(ended.stderr)
        return ended.stdout

    def put(self, directory: str, archive: Iterable[bytes], size: int, seconds: float) -> None:
        del seconds
        data = b"".join(archive)
        assert len(data) == size
        self.received += len(data)
        cut, self.cut_after = self.cut_after, None
        unpack(Path(directory), data if cut is None else data[:cut])
        if cut is not None:
            raise Cut("the connection ended")

    def put_texts(self, directory: str, files: Mapping[str, str], *, mode: int = 0o644, owner: int = 0) -> None:
        unpack(Path(directory), texts_archive(files, mode=mode, owner=owner))


def unpack(directory: Path, data: bytes) -> None:
    """Unpack an archive as an engine does: what has arrived of a file stays if the rest is missing."""
    position = 0
    while len(header := data[position : position + tarfile.BLOCKSIZE]) == tarfile.BLOCKSIZE and any(header):
        entry = tarfile.TarInfo.frombuf(header, "utf-8", "strict")
        position += tarfile.BLOCKSIZE
        path = directory / entry.name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.unlink(missing_ok=True)
        path.write_bytes(data[position : position + entry.size])
        path.chmod(entry.mode)
        position += entry.size + -entry.size % tarfile.BLOCKSIZE
