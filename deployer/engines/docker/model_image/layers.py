"""A layer of an image as a tar archive that depends on paths and contents only.

Times, owners and modes are fixed and the order is that of the paths, so equal files give equal bytes on every machine.
"""

from __future__ import annotations

import hashlib
import tarfile
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path, PurePosixPath

from deployer.errors import BrokenModel

CHUNK_BYTES = 1 << 20
END = b"\0" * (2 * tarfile.BLOCKSIZE)
FILE_MODE, DIRECTORY_MODE = 0o644, 0o755


@dataclass(frozen=True)
class LayerFile:
    """A file at `path` in the image, from its bytes or from a file of `size` bytes on this machine.

    `sha256` is the digest that a file on this machine must have; empty if any is accepted.
    """

    path: str
    content: bytes | Path
    size: int
    sha256: str = ""

    @classmethod
    def of_bytes(cls, path: str, content: bytes) -> LayerFile:
        """Return a file with these bytes."""
        return cls(path, content, len(content))

    def chunks(self, *, compare: bool = True) -> Iterator[bytes]:
        """Yield the contents. Raises BrokenModel if the file on this machine is not the expected one.

        Without `compare`, only its size is checked.
        """
        if isinstance(self.content, bytes):
            yield self.content
            return
        digest, size = hashlib.sha256(), 0
        try:
            with self.content.open("rb") as file:
                while chunk := file.read(CHUNK_BYTES):
                    size += len(chunk)
                    if size > self.size:
                        break
                    if compare and self.sha256:
                        digest.update(chunk)
                    yield chunk
        except OSError as error:
            raise BrokenModel(f"{self.content}: {error.strerror or error}") from error
        if size != self.size or (compare and self.sha256 and digest.hexdigest() != self.sha256):
            raise BrokenModel(
                f"{self.content} is not what was exported",
                hint="put the file back, or export the model again with --force",
            )


@dataclass(frozen=True)
class Layer:
    """One layer; `created_by` says in the image's history what is in it."""

    files: tuple[LayerFile, ...]
    created_by: str

    @cached_property
    def size(self) -> int:
        """The bytes of the archive."""
        files = sum(len(_header(each.path, each.size)) + each.size + _padding(each.size) for each in self.files)
        return files + sum(len(_header(each)) for each in _directories(self.files)) + len(END)

    @cached_property
    def diff_id(self) -> str:
        """The digest by which images name the layer. Reads every file. Raises BrokenModel."""
        digest = hashlib.sha256()
        for block in self.blocks():
            digest.update(block)
        return f"sha256:{digest.hexdigest()}"

    def blocks(self, *, compare: bool = True) -> Iterator[bytes]:
        """Yield the archive. Raises BrokenModel for a file that has changed since its export.

        Without `compare`, the reader compares the archive with `diff_id`.
        """
        files = {each.path: each for each in self.files}
        for path in sorted({*files, *_directories(self.files)}):
            if path not in files:
                yield _header(path)
                continue
            yield _header(path, files[path].size)
            yield from files[path].chunks(compare=compare)
            yield b"\0" * _padding(files[path].size)
        yield END


def _directories(files: Iterable[LayerFile]) -> set[str]:
    """Return the directories above the files."""
    return {str(parent) for each in files for parent in PurePosixPath(each.path).parents if parent.name}


def _header(path: str, size: int | None = None) -> bytes:
    """Return the header of a file, or of a directory without a size."""
    entry = tarfile.TarInfo(path)
    if size is None:
        entry.type, entry.mode = tarfile.DIRTYPE, DIRECTORY_MODE
    else:
        entry.size, entry.mode = size, FILE_MODE
    return entry.tobuf(tarfile.GNU_FORMAT, "utf-8", "surrogateescape")


def _padding(size: int) -> int:
    return -size % tarfile.BLOCKSIZE
