"""Sizes in Docker's notation, such as `512m` and `2g`. The hint of a wrong size is a right one."""

from __future__ import annotations

import re
from collections.abc import Mapping

from deployer.errors import InvalidValue

SIZE = re.compile(r"[1-9][0-9]{0,15}[bkmgBKMG]?")
# Other notations, such as `512MB`, `0.5g` and `64 MiB`.
LOOSE_SIZE = re.compile(
    r"\s*(?P<whole>[0-9]{1,15})(\.(?P<part>[0-9]{1,3})[0-9]*)?\s*(?P<unit>[bkmgt]?)(i?b|bytes?)?\s*", re.I
)
UNITS = "bkmgt"
# The Docker Engine starts no container with less memory.
MIN_SIZES = {
    "docker.memory": "6m",
    "docker.shm_size": "4k",
    "gateway.max_body": "1k",
    "kubernetes.memory_request": "6m",
    "swarm.reserve_memory": "6m",
}


def check_size(key: str, size: str | None) -> None:
    """Raise InvalidValue for a malformed size, and for one below the minimum of the key. None passes."""
    if size is None:
        return
    name = key.rpartition(".")[2]
    if not SIZE.fullmatch(size):
        raise InvalidValue(f"{name} {size[:20]!r} is not a size", hint=size_hint(key, size), key_path=(name,))
    if size_in_bytes(size) < size_in_bytes(MIN_SIZES[key]):
        reason = f"{name} {size} means {size_in_bytes(size)} bytes, and the least is {MIN_SIZES[key]}"
        raise InvalidValue(reason, hint=size_hint(key, size), key_path=(name,))


def size_hint(key: str, raw: object) -> str:
    """Return the setting with the size in Docker's notation. A number without a unit is taken as mebibytes."""
    if raw == 0:
        return f'{key} = "0"'
    match = LOOSE_SIZE.fullmatch(str(raw))
    size = _format_size(match) if match else "512m"
    is_enough = SIZE.fullmatch(size) and size_in_bytes(size) >= size_in_bytes(MIN_SIZES[key])
    return f'{key} = "{size if is_enough else MIN_SIZES[key]}"'


def size_hint_at(key_path: tuple[str, ...], document: Mapping[str, object]) -> str | None:
    """Return the hint for a value of a document that is no string; None where the key is no size."""
    key = ".".join(key_path)
    table = document.get(key_path[0]) if key in MIN_SIZES else None
    return size_hint(key, table[key_path[1]]) if isinstance(table, dict) else None


def _format_size(match: re.Match[str]) -> str:
    unit = match["unit"].lower() or "m"
    number = float(f"{match['whole']}.{match['part'] or 0}")
    while unit != "b" and (unit == "t" or not number.is_integer()):
        number, unit = number * 1024, UNITS[UNITS.index(unit) - 1]
    return f"{number:.0f}{unit}"


def size_in_bytes(size: str) -> int:
    """Return a checked size in bytes."""
    unit = size[-1].lower()
    return int(size) if unit.isdigit() else int(size[:-1]) << 10 * UNITS.index(unit)
