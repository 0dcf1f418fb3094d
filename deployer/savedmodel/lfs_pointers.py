"""Detect Git LFS pointers: small text files in a checkout that stand in for large files that were not fetched.

TensorFlow reads a pointer as a damaged file or, if it is an asset, as the content: the model then loads and answers
wrongly.
"""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from deployer.errors import BrokenModel

PREFIXES = (b"version https://git-lfs.github.com/spec/", b"version https://hawser.github.com/spec/")
"""The second prefix is from before the first release of Git LFS."""
MAX_BYTES = 1024
"""The specification limits pointers to less than this."""


def is_pointer(path: Path) -> bool:
    """Return whether a regular file is a pointer; False also if it cannot be read."""
    try:
        if not path.is_file() or path.stat().st_size > MAX_BYTES:
            return False
        with path.open("rb") as file:
            return file.read(MAX_BYTES).startswith(PREFIXES)
    except OSError:
        return False


def check(paths: Iterable[Path]) -> None:
    """Raise BrokenModel for the first pointer among `paths`; a directory stands for all files below it."""
    for path in paths:
        for file in sorted(path.rglob("*")) if path.is_dir() else (path,):
            if is_pointer(file):
                raise BrokenModel(f"{file} is a Git LFS pointer, and not the file itself", hint="git lfs pull")
