"""Decide which directories below a base path are versions: TensorFlow Serving parses the whole name as int64."""

from __future__ import annotations

import re
from collections.abc import Iterable

_NUMBER = re.compile(r"[ \t\n\r\v\f]*[+-]?[0-9]+[ \t\n\r\v\f]*")
_INT64 = 1 << 63


def version_number(name: str) -> int | None:
    """Parse a directory name as int64, as absl::SimpleAtoi does; None if it is not a number."""
    if not _NUMBER.fullmatch(name):
        return None
    number = int(name)
    return number if -_INT64 <= number < _INT64 else None


def is_number(name: str) -> bool:
    """Return whether the name is a number of any size."""
    return _NUMBER.fullmatch(name) is not None


def is_too_large(name: str) -> bool:
    """Return whether the name is a number beyond int64, which TensorFlow Serving silently ignores."""
    return is_number(name) and version_number(name) is None


def numbered(names: Iterable[str]) -> tuple[dict[int, str], tuple[str, ...]]:
    """Return the directory name of each version, and the names that lost to a later name of the same number."""
    versions: dict[int, str] = {}
    ignored = []
    for name in sorted(names):
        number = version_number(name)
        if number is None:
            continue
        if number in versions:
            ignored.append(versions[number])
        versions[number] = name
    return versions, tuple(ignored)
