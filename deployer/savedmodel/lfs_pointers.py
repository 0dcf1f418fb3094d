"""Pointers of Git LFS: small text files that stand in a checkout for the large files that were not fetched.

TensorFlow reads one as a damaged file, or, where it is an asset, as the content itself: a model then loads, and
answers wrongly.
"""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from deployer.errors import BrokenModel

PREFIXES = (b"version https://git-lfs.github.com/spec/", b"version https://hawser.github.com/spec/")
"""The second one is how Git LFS was called before its first release."""
MAX_BYTES = 1024
"""A pointer is shorter, says its specification."""


def is_pointer(path: Path) -> bool:
    """Whether a regular file is a pointer; False also for what cannot be read."""
    try:
        if not path.is_file() or path.stat().st_size > MAX_BYTES:
            return False
        with path.open("rb") as file:
            return file.read(MAX_BYTES).startswith(PREFIXES)
    except OSError:
        return False


def check(paths: Iterable[Path]) -> None:
    """Raises BrokenModel for the first pointer among `paths`; a folder stands for all files below it."""
    for path in paths:
        for file in sorted(path.rglob("*")) if path.is_dir() else (path,):
            if is_pointer(file):
                raise BrokenModel(f"{file} is a Git LFS pointer, and not the file itself", hint="git lfs pull")
