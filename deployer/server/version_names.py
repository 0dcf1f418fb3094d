"""Which folders below a base path are versions: TensorFlow Serving reads the whole name as a number of 64 bits."""

from __future__ import annotations

import re
from collections.abc import Iterable

_NUMBER = re.compile(r"[ \t\n\r\v\f]*[+-]?[0-9]+[ \t\n\r\v\f]*")
_INT64 = 1 << 63


def version_number(name: str) -> int | None:
    """Read a folder's name as int64, as absl::SimpleAtoi does; None for a name that is no number."""
    if not _NUMBER.fullmatch(name):
        return None
    number = int(name)
    return number if -_INT64 <= number < _INT64 else None


def is_number(name: str) -> bool:
    """Whether the name is a number, of any size."""
    return _NUMBER.fullmatch(name) is not None


def is_too_large(name: str) -> bool:
    """Whether the name is a number that TensorFlow Serving cannot read, and passes over without a word."""
    return is_number(name) and version_number(name) is None


def numbered(names: Iterable[str]) -> tuple[dict[int, str], tuple[str, ...]]:
    """The folder of each version, the later name where two mean one number; and the names that lost by that."""
    found: dict[int, str] = {}
    lost = []
    for name in sorted(names):
        number = version_number(name)
        if number is None:
            continue
        if number in found:
            lost.append(found[number])
        found[number] = name
    return found, tuple(lost)
