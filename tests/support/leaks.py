"""Looks for values that must be nowhere: in files, and in what commands print."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from support.cli import Ended


def files_with(directory: Path, values: Iterable[str], *, apart_from: Iterable[Path] = ()) -> list[Path]:
    """The files below a directory that contain one of the values, also within a database."""
    wanted, known = [value.encode() for value in values], set(apart_from)
    files = (path for path in sorted(directory.rglob("*")) if path.is_file() and path not in known)
    return [path for path in files if any(value in path.read_bytes() for value in wanted)]


def outputs_with(commands: Iterable[Ended], values: Iterable[str]) -> list[str]:
    """What commands printed that contains one of the values."""
    texts = [text for ended in commands for text in (ended.out, ended.err)]
    return [text for text in texts if any(value in text for value in values)]
