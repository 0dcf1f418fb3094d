"""Unpack an untrusted archive: only regular files and directories below one path, within limits."""

from __future__ import annotations

import gzip
import os
import shutil
import stat
import tarfile
import zipfile
import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from itertools import islice
from pathlib import Path, PurePosixPath, PureWindowsPath
from typing import IO, Any

from deployer.errors import BrokenModel

MAX_UNPACKED_BYTES = 64 << 30
MAX_ENTRIES = 10_000
MAX_RATIO = 100
RATIO_EXEMPT_BYTES = 64 << 20
"""Any archive may expand to this size: weights of zeros compress very well."""
MAX_HEADER_BYTES = 1 << 20
CHUNK = 1 << 20
GZIP = b"\x1f\x8b"
UNREADABLE = (OSError, EOFError, ValueError, RuntimeError, NotImplementedError, tarfile.TarError, zipfile.BadZipFile)


def unpack(archive: Path, target: Path, chosen: Callable[[str], bool] = lambda _: True) -> None:
    """Write the files of a `.tar`, `.tar.gz` or `.zip` below the existing directory `target`.

    Only files whose names, without directories, are `chosen` are written.

    Raises BrokenModel if the archive is damaged, leads out of `target`, has entries that are neither files nor
    directories, or exceeds the limits. The caller removes what was written until then.
    """
    budget = _Budget(archive, chosen)
    unpack_one = _unpack_zip if zipfile.is_zipfile(archive) else _unpack_tar
    try:
        unpack_one(archive, target, budget)
    except (*UNREADABLE, zlib.error) as error:
        if isinstance(error, OSError) and error.errno is not None:
            raise
        raise BrokenModel(
            f"{archive} is cut short, damaged or no archive: {str(error).strip():.200}",
            hint="download or copy it again",
        ) from error


def names(archive: Path) -> Iterator[str]:
    """Yield the names of the first entries, with `/`; of a damaged archive those that can be read."""
    list_names = _zip_names if zipfile.is_zipfile(archive) else _tar_names
    with suppress(*UNREADABLE, zlib.error):
        yield from islice(list_names(archive), MAX_ENTRIES)


def _zip_names(archive: Path) -> Iterator[str]:
    with zipfile.ZipFile(archive) as packed:
        yield from (name.replace("\\", "/") for name in packed.namelist())


def _tar_names(archive: Path) -> Iterator[str]:
    with _tar_bytes(archive) as source, tarfile.open(fileobj=source, mode="r:") as packed:
        yield from (entry.name for entry in packed)


@dataclass
class _Budget:
    """The entries and bytes that an archive has used of its limits."""

    archive: Path
    chosen: Callable[[str], bool]
    entries: int = 0
    written: int = 0

    def count_entry(self) -> None:
        self.entries += 1
        if self.entries > MAX_ENTRIES:
            raise _refused(self.archive, f"it holds more than {MAX_ENTRIES} files")

    def count_bytes(self, count: int) -> None:
        self.written += count
        packed = self.archive.stat().st_size
        if self.written > MAX_UNPACKED_BYTES:
            raise _refused(self.archive, f"it unpacks to more than {MAX_UNPACKED_BYTES >> 30} GB")
        if self.written > RATIO_EXEMPT_BYTES + MAX_RATIO * packed:
            raise _refused(self.archive, f"it unpacks to more than {MAX_RATIO} times its size")


def _refused(archive: Path, reason: str) -> BrokenModel:
    return BrokenModel(
        f"{archive} is refused: {reason}", hint="if you trust it, unpack it yourself and give the SavedModel directory"
    )


def _entry_path(archive: Path, name: str, target: Path) -> Path:
    """Return the target path of an entry. Raises BrokenModel for a name that leads out of the target."""
    path = PurePosixPath(name)
    if path.is_absolute() or ".." in path.parts or "\\" in name or "\0" in name:
        raise _refused(archive, f"the name {name[:80]!r} leads out of it")
    return target / path


def _unpack_zip(archive: Path, target: Path, budget: _Budget) -> None:
    with zipfile.ZipFile(archive) as packed:
        for entry in packed.infolist():
            budget.count_entry()
            name = _slashed(archive, entry.filename)
            path = _entry_path(archive, name, target)
            _check_zip_kind(archive, entry)
            if name.endswith("/"):
                path.mkdir(parents=True, exist_ok=True)
            else:
                with packed.open(entry) as file:
                    _write(file, path, budget)


def _slashed(archive: Path, name: str) -> str:
    r"""Return the name with `/`: Windows programs write `\`, against the zip specification."""
    if "\\" in name and PureWindowsPath(name).drive:
        raise _refused(archive, f"the name {name[:80]!r} leads out of it")
    return name.replace("\\", "/")


def _check_zip_kind(archive: Path, entry: zipfile.ZipInfo) -> None:
    file_type = stat.S_IFMT(entry.external_attr >> 16)
    if file_type not in (0, stat.S_IFREG, stat.S_IFDIR):
        raise _refused(archive, f"{entry.filename[:80]!r} is a link or a device")
    if entry.flag_bits & 1:
        raise _refused(archive, f"{entry.filename[:80]!r} is encrypted")


def _unpack_tar(archive: Path, target: Path, budget: _Budget) -> None:
    with _tar_bytes(archive) as source, tarfile.open(fileobj=source, mode="r:") as packed:
        for entry in packed:
            budget.count_entry()
            path = _entry_path(archive, entry.name, target)
            if entry.isdir():
                path.mkdir(parents=True, exist_ok=True)
            elif entry.isreg() and not entry.issparse() and (file := packed.extractfile(entry)):
                _write(file, path, budget)
            else:
                raise _refused(archive, f"{entry.name[:80]!r} is a link, a device or a sparse file")


@contextmanager
def _tar_bytes(archive: Path) -> Iterator[Any]:
    with archive.open("rb") as file:
        packed = file.read(len(GZIP)) == GZIP
        file.seek(0)
        if not packed:
            yield _Limited(file)
            return
        with gzip.GzipFile(fileobj=file, mode="rb") as plain:
            yield _Limited(plain)


class _Limited:
    """A stream that limits the size of reads: a tar header may declare any length, and is read at once."""

    def __init__(self, stream: IO[bytes] | gzip.GzipFile) -> None:
        self._stream = stream

    def read(self, size: int = -1) -> bytes:
        if not 0 <= size <= MAX_HEADER_BYTES:
            raise tarfile.ReadError("a header is longer than any that is in use")
        return self._stream.read(size)

    def tell(self) -> int:
        return self._stream.tell()

    def seek(self, path: int, whence: int = os.SEEK_SET) -> int:
        return self._stream.seek(path, whence)


def _write(source: IO[bytes], path: Path, budget: _Budget) -> None:
    if not budget.chosen(path.name):
        return
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        opened = path.open("xb")
    except (FileExistsError, NotADirectoryError) as error:
        raise _refused(budget.archive, f"two entries claim the place of {path.name[:80]!r}") from error
    with opened as file:
        while chunk := source.read(CHUNK):
            budget.count_bytes(len(chunk))
            file.write(chunk)


@contextmanager
def unpacked(archive: Path, parent: Path, chosen: Callable[[str], bool] = lambda _: True) -> Iterator[Path]:
    """Yield a directory below `parent` with the `chosen` files of the archive; it is removed on exit."""
    directory = parent / ".unpacked"
    directory.mkdir()
    try:
        unpack(archive, directory, chosen)
        yield directory
    finally:
        shutil.rmtree(directory)
