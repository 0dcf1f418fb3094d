"""Frozen values from parsed JSON or TOML, by their type hints: a damaged or hostile document becomes no value."""

from __future__ import annotations

import dataclasses
import json
import re
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from types import NoneType, UnionType
from typing import Any, Literal, Union, cast, get_args, get_origin, get_type_hints

from deployer.errors import InvalidValue

KeyPath = tuple[str, ...]
INT64 = 2**63
INTEGER = re.compile(r"[+-]?[0-9]{1,40}")
NUMBER = re.compile(r"[+-]?([0-9]{1,400}\.?[0-9]{0,400}|\.[0-9]{1,400})([eE][+-]?[0-9]{1,4})?")
BOOLEANS = {"true": True, "yes": True, "on": True, "1": True, "false": False, "no": False, "off": False, "0": False}
EXPECTED: dict[Any, str] = {
    bool: "true or false",
    int: "an integer",
    float: "a number",
    str: "a string",
    Path: "a path",
    tuple: "a list",
    dict: "a table",
}


class Mismatch(TypeError):
    """The document has another type than the value at `place`, the keys that lead there."""

    def __init__(self, reason: str, place: KeyPath = ()) -> None:
        super().__init__(f"{'.'.join(place)}: {reason}" if place else reason)
        self.reason = reason
        self.place = place


class UnknownKey(Mismatch):
    """The document has a key that the value does not: the last one of `place`; `known` are those that it has."""

    def __init__(self, place: KeyPath, known: KeyPath) -> None:
        super().__init__("there is no such setting", place)
        self.known = known


def read(kind: Any, raw: Any, *, strict: bool = False, place: KeyPath = ()) -> Any:
    """`raw` as `kind`: dataclasses from objects, tuples from lists, paths from texts, and plain types as they are.

    Keys that the dataclass does not know are left alone, or refused when `strict`. Raises Mismatch, and what a
    dataclass raises at values that it does not take: an InvalidValue with the place added.
    """
    if dataclasses.is_dataclass(kind):
        return _object(cast("type", kind), raw, strict, place)
    reader = _READERS.get(get_origin(kind) or kind)
    if reader:
        return reader(get_args(kind), raw, strict, place)
    if type(raw) is kind:
        return raw
    raise _mismatch(EXPECTED.get(kind, str(kind)), raw, place)


def from_text(kind: Any, text: str, place: KeyPath = ()) -> Any:
    """A text, as an environment variable has it, as what a document would hold for `kind`. Raises Mismatch."""
    kinds = [each for each in get_args(kind) if each is not NoneType] if _is_union(kind) else [kind]
    reader = _FROM_TEXT.get(kinds[0])
    value = reader(text) if reader else text
    if value is None:
        raise _mismatch(EXPECTED[kinds[0]], text, place)
    return value


@cache
def field_types(kind: type) -> dict[str, Any]:
    """The type of each field of a dataclass."""
    found = get_type_hints(kind)
    return {field.name: found[field.name] for field in dataclasses.fields(kind)}


def format_value(raw: Any) -> str:
    """A value as it stands in a document, cut where it is long."""
    try:
        text = json.dumps(raw, ensure_ascii=False)
    except (TypeError, ValueError):
        text = str(raw)
    return text if len(text) <= 60 else f"{text[:57]}..."


def _mismatch(expected: str, raw: Any, place: KeyPath) -> Mismatch:
    return Mismatch(f"expected {expected}, got {format_value(raw)}", place)


def _object(kind: type, raw: Any, strict: bool, place: KeyPath) -> Any:
    if not isinstance(raw, Mapping):
        raise _mismatch("a table", raw, place)
    fields = field_types(kind)
    unknown = next((key for key in raw if key not in fields), None) if strict else None
    if unknown is not None:
        raise UnknownKey((*place, str(unknown)), tuple(fields))
    known = {
        name: read(hint, raw[name], strict=strict, place=(*place, name)) for name, hint in fields.items() if name in raw
    }
    try:
        return kind(**known)
    except InvalidValue as error:
        error.place = (*place, *error.place)
        raise
    except TypeError as error:
        raise Mismatch(str(error), place) from error


def _tuple(kinds: tuple[Any, ...], raw: Any, strict: bool, place: KeyPath) -> tuple[Any, ...]:
    if not isinstance(raw, list):
        raise _mismatch("a list", raw, place)
    if kinds[-1] is Ellipsis:
        return tuple(read(kinds[0], item, strict=strict, place=place) for item in raw)
    if len(raw) != len(kinds):
        raise _mismatch(f"a list of {len(kinds)}", raw, place)
    return tuple(read(kind, item, strict=strict, place=place) for kind, item in zip(kinds, raw, strict=True))


def _dict(kinds: tuple[Any, ...], raw: Any, strict: bool, place: KeyPath) -> dict[Any, Any]:
    if not isinstance(raw, Mapping):
        raise _mismatch("a table", raw, place)
    of_key, of_value = kinds
    return {
        read(of_key, key, strict=strict, place=place): read(of_value, value, strict=strict, place=(*place, str(key)))
        for key, value in raw.items()
    }


def _union(kinds: tuple[Any, ...], raw: Any, strict: bool, place: KeyPath) -> Any:
    """One of several plain types as it is; with None, the one other kind."""
    if raw is None and NoneType in kinds:
        return raw
    others = [kind for kind in kinds if kind is not NoneType]
    if len(others) == 1:
        return read(others[0], raw, strict=strict, place=place)
    if type(raw) in others:
        return raw
    raise _mismatch(" or ".join(EXPECTED.get(kind, str(kind)) for kind in others), raw, place)


def _literal(values: tuple[Any, ...], raw: Any, _: bool, place: KeyPath) -> Any:
    if isinstance(raw, str) and raw in values:
        return raw
    raise _mismatch(f"one of {', '.join(values)}", raw, place)


def _int(_: tuple[Any, ...], raw: Any, __: bool, place: KeyPath) -> int:
    if type(raw) is not int:
        raise _mismatch("an integer", raw, place)
    if -INT64 <= raw < INT64:
        return raw
    raise _mismatch("an integer of 64 bits", raw, place)


def _float(_: tuple[Any, ...], raw: Any, __: bool, place: KeyPath) -> float:
    if type(raw) is float or (type(raw) is int and -INT64 <= raw < INT64):
        return float(raw)
    raise _mismatch("a number", raw, place)


def _path(_: tuple[Any, ...], raw: Any, __: bool, place: KeyPath) -> Path:
    if isinstance(raw, (str, Path)):
        return Path(raw)
    raise _mismatch("a path", raw, place)


def _is_union(kind: Any) -> bool:
    return get_origin(kind) in (Union, UnionType)


_READERS: dict[Any, Any] = {
    tuple: _tuple,
    dict: _dict,
    Union: _union,
    UnionType: _union,
    Literal: _literal,
    int: _int,
    float: _float,
    Path: _path,
}
_FROM_TEXT: dict[Any, Any] = {
    bool: lambda text: BOOLEANS.get(text.lower()),
    int: lambda text: int(text) if INTEGER.fullmatch(text) else None,
    float: lambda text: float(text) if NUMBER.fullmatch(text) else None,
}
