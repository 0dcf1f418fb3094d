"""JSON objects as rapidjson keeps them: a list of members, of which a look-up finds the first by a name."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

Json = Any


class Members(dict[str, Json]):
    """An object in which a name stands more than once: a dict of the first ones, and `all` in their order."""

    def __init__(self, members: list[tuple[str, Json]]) -> None:
        super().__init__(reversed(members))
        self.all = members


def members(value: Mapping[str, Json]) -> Iterable[tuple[str, Json]]:
    """Return all members of an object in their order."""
    return value.all if isinstance(value, Members) else value.items()


def c_name(name: str) -> str:
    """Return a name as C reads it: up to its first NUL."""
    return name.partition("\0")[0]


def count(value: Json) -> int:
    """Count the members of a document that a JSON library read, which keeps one of each name.

    A list is looked into when its first item is a list or an object; of others nothing is said.
    """
    found, left = 0, [value]
    while left:
        each = left.pop()
        if isinstance(each, dict):
            found += len(each)
            left += each.values()
        elif isinstance(each, list) and each and isinstance(each[0], (dict, list)):
            left += each
    return found
