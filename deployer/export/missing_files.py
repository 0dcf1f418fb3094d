"""The error for a missing model file, with suggestions from the files nearby."""

from __future__ import annotations

import difflib
import shlex
from collections.abc import Iterable, Iterator
from contextlib import suppress
from pathlib import Path

from deployer.errors import SourceNotFound

MAX_SUGGESTIONS = 3
MAX_ENTRIES = 1000
"""The limit of directory entries to search."""


def file_not_found(source: str | Path, suffixes: Iterable[str], suffix: str = "") -> SourceNotFound:
    """Return the error for a missing file; `suffix`, such as `:name`, is appended to the suggested files."""
    return SourceNotFound(f"there is no file {source}", hint=hint(Path(source), tuple(suffixes), suffix))


def hint(path: Path, suffixes: tuple[str, ...], suffix: str = "") -> str:
    """Suggest files of that kind in the same directory, the most similar first, or else one level below."""
    directory = path.parent
    if not directory.is_dir():
        return f"there is no directory {directory} either: give a path from {Path.cwd()}, or from /"
    for pattern in ("*", "*/*"):
        if found := _most_similar(path, _files(directory, pattern, suffixes)):
            return f"did you mean {' or '.join(shlex.quote(f'{file}{suffix}') for file in found)}?"
    kinds = ", ".join(sorted(suffixes))
    return f"no file ({kinds}) is in {directory.resolve()} or one directory below it: give the path of one"


def _files(directory: Path, pattern: str, suffixes: tuple[str, ...]) -> Iterator[Path]:
    with suppress(OSError):
        for _, file in zip(range(MAX_ENTRIES), directory.glob(pattern), strict=False):
            if file.name.lower().endswith(suffixes) and file.is_file():
                yield file


def _most_similar(path: Path, files: Iterable[Path]) -> list[Path]:
    """Return the files with the most similar names."""

    def distance(file: Path) -> tuple[float, str]:
        return -difflib.SequenceMatcher(None, path.stem.lower(), file.stem.lower()).ratio(), str(file)

    return sorted(files, key=distance)[:MAX_SUGGESTIONS]
