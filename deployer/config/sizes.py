"""Sizes in bytes, as Docker writes them: `512m`, `2g`. One that cannot work is refused with one that does."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from deployer.errors import InvalidValue

SIZE = re.compile(r"[1-9][0-9]{0,15}[bkmgBKMG]?")
LOOSE_SIZE = re.compile(
    r"\s*(?P<whole>[0-9]{1,15})(\.(?P<part>[0-9]{1,3})[0-9]*)?\s*(?P<unit>[bkmgt]?)(i?b|bytes?)?\s*", re.I
)
"""What people write for a size: `512MB`, `0.5g`, `64 MiB`."""
UNITS = "bkmgt"
MIN_SIZES = {"docker.memory": "6m", "docker.shm_size": "4k", "gateway.max_body": "1k"}
"""The least that each setting can be: the Docker Engine starts no container with less memory."""


def check_size(key: str, size: str | None) -> None:
    """Raises InvalidValue for what is no number of bytes with or without a unit, or too few; none is fine."""
    if size is None:
        return
    name = key.rpartition(".")[2]
    if not SIZE.fullmatch(size):
        raise InvalidValue(f"{name} {size[:20]!r} is not a size", hint=size_hint(key, size), place=(name,))
    if size_in_bytes(size) < size_in_bytes(MIN_SIZES[key]):
        told = f"{name} {size} means {size_in_bytes(size)} bytes, and the least is {MIN_SIZES[key]}"
        raise InvalidValue(told, hint=size_hint(key, size), place=(name,))


def size_hint(key: str, raw: Any) -> str:
    """The setting as it was probably meant, to be typed. A bare number is taken as mebibytes."""
    meant = LOOSE_SIZE.fullmatch(str(raw))
    size = _format_size(meant) if meant else "512m"
    is_enough = SIZE.fullmatch(size) and size_in_bytes(size) >= size_in_bytes(MIN_SIZES[key])
    return f'{key} = "{size if is_enough else MIN_SIZES[key]}"'


def size_hint_at(place: tuple[str, ...], document: Mapping[str, Any]) -> str | None:
    """The same for what stands in a document and is no text; None where no size is expected."""
    key = ".".join(place)
    return size_hint(key, document[place[0]][place[1]]) if key in MIN_SIZES else None


def _format_size(meant: re.Match[str]) -> str:
    unit = meant["unit"].lower() or "m"
    number = float(f"{meant['whole']}.{meant['part'] or 0}")
    while unit != "b" and (unit == "t" or not number.is_integer()):
        number, unit = number * 1024, UNITS[UNITS.index(unit) - 1]
    return f"{number:.0f}{unit}"


def size_in_bytes(size: str) -> int:
    """A checked size as a number."""
    unit = size[-1].lower()
    return int(size) if unit.isdigit() else int(size[:-1]) << 10 * UNITS.index(unit)
