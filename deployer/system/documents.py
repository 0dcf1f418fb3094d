"""Reads parsed JSON or TOML into dataclasses by their type hints. A damaged document is refused, never guessed at."""

from __future__ import annotations

import dataclasses
import json
import re
from collections.abc import Callable, Mapping
from functools import cache
from pathlib import Path
from types import NoneType, UnionType
from typing import Literal, TypeVar, Union, cast, get_args, get_origin, get_type_hints

from deployer.errors import InvalidValue

KeyPath = tuple[str, ...]
Hints = tuple[object, ...]
Reader = Callable[[Hints, object, bool, KeyPath], object]
Value = TypeVar("Value")
INT64 = 2**63
INTEGER = re.compile(r"[+-]?[0-9]{1,40}")
NUMBER = re.compile(r"[+-]?([0-9]{1,400}\.?[0-9]{0,400}|\.[0-9]{1,400})([eE][+-]?[0-9]{1,4})?")
BOOLEANS = {"true": True, "yes": True, "on": True, "1": True, "false": False, "no": False, "off": False, "0": False}
EXPECTED: dict[object, str] = {
    bool: "true or false",
    int: "an integer",
    float: "a number",
    str: "a string",
    Path: "a path",
    tuple: "a list",
    dict: "a table",
}


class Mismatch(TypeError):
    """A value of the document has the wrong type. `key_path` is the path of keys that leads to it."""

    def __init__(self, reason: str, key_path: KeyPath = ()) -> None:
        super().__init__(f"{'.'.join(key_path)}: {reason}" if key_path else reason)
        self.reason = reason
        self.key_path = key_path


class UnknownKey(Mismatch):
    """The document has an unknown key, the last one of `key_path`. `known` are the keys of that table."""

    def __init__(self, key_path: KeyPath, known: KeyPath) -> None:
        super().__init__("there is no such setting", key_path)
        self.known = known


def read(kind: type[Value], raw: object, *, strict: bool = False) -> Value:
    """Return `raw` as a `kind`: objects become dataclasses, lists tuples, strings paths; plain types stay as they are.

    Unknown keys are ignored, or refused when `strict`. Raises Mismatch, and the InvalidValue that a dataclass raises,
    with the path of keys added.
    """
    return cast("Value", _read(kind, raw, strict, ()))


def _read(kind: object, raw: object, strict: bool, key_path: KeyPath) -> object:
    if dataclasses.is_dataclass(kind):
        return _object(cast("type", kind), raw, strict, key_path)
    reader = _READERS.get(get_origin(kind) or kind)
    if reader:
        return reader(get_args(kind), raw, strict, key_path)
    if type(raw) is kind or (kind is str and isinstance(raw, str)):
        return raw
    raise _mismatch(EXPECTED.get(kind, str(kind)), raw, key_path)


def from_text(kind: object, text: str) -> object:
    """Return the text of an environment variable as the value that a document has for `kind`. Raises Mismatch."""
    kinds = [each for each in get_args(kind) if each is not NoneType] if _is_union(kind) else [kind]
    reader = _FROM_TEXT.get(kinds[0])
    value = reader(text) if reader else text
    if value is None:
        raise _mismatch(EXPECTED[kinds[0]], text, ())
    return value


@cache
def field_types(kind: type) -> dict[str, object]:
    """Return the type of each field of a dataclass."""
    hints = get_type_hints(kind)
    return {field.name: hints[field.name] for field in dataclasses.fields(kind)}


def format_value(raw: object) -> str:
    """Return a value as JSON of at most 60 characters, for messages."""
    try:
        text = json.dumps(raw, ensure_ascii=False)
    except (TypeError, ValueError):
        text = str(raw)
    return text if len(text) <= 60 else f"{text[:57]}..."


def _mismatch(expected: str, raw: object, key_path: KeyPath) -> Mismatch:
    return Mismatch(f"expected {expected}, got {format_value(raw)}", key_path)


def _object(kind: type, raw: object, strict: bool, key_path: KeyPath) -> object:
    if not isinstance(raw, Mapping):
        raise _mismatch("a table", raw, key_path)
    fields = field_types(kind)
    unknown = next((key for key in raw if key not in fields), None) if strict else None
    if unknown is not None:
        raise UnknownKey((*key_path, str(unknown)), tuple(fields))
    known = {name: _read(hint, raw[name], strict, (*key_path, name)) for name, hint in fields.items() if name in raw}
    try:
        return kind(**known)
    except InvalidValue as error:
        error.key_path = (*key_path, *error.key_path)
        raise
    except TypeError as error:
        raise Mismatch(str(error), key_path) from error


def _tuple(kinds: Hints, raw: object, strict: bool, key_path: KeyPath) -> tuple[object, ...]:
    if not isinstance(raw, list):
        raise _mismatch("a list", raw, key_path)
    if kinds[-1] is Ellipsis:
        return tuple(_read(kinds[0], item, strict, key_path) for item in raw)
    if len(raw) != len(kinds):
        raise _mismatch(f"a list of {len(kinds)}", raw, key_path)
    return tuple(_read(kind, item, strict, key_path) for kind, item in zip(kinds, raw, strict=True))


def _dict(kinds: Hints, raw: object, strict: bool, key_path: KeyPath) -> dict[object, object]:
    if not isinstance(raw, Mapping):
        raise _mismatch("a table", raw, key_path)
    of_key, of_value = kinds
    return {
        _read(of_key, key, strict, key_path): _read(of_value, value, strict, (*key_path, str(key)))
        for key, value in raw.items()
    }


def _union(kinds: Hints, raw: object, strict: bool, key_path: KeyPath) -> object:
    if raw is None and NoneType in kinds:
        return raw
    others = [kind for kind in kinds if kind is not NoneType]
    if len(others) == 1:
        return _read(others[0], raw, strict, key_path)
    if type(raw) in others:
        return raw
    raise _mismatch(" or ".join(EXPECTED.get(kind, str(kind)) for kind in others), raw, key_path)


def _literal(values: Hints, raw: object, _: bool, key_path: KeyPath) -> object:
    if isinstance(raw, str) and raw in values:
        return raw
    raise _mismatch(f"one of {', '.join(map(str, values))}", raw, key_path)


def _int(_: Hints, raw: object, __: bool, key_path: KeyPath) -> int:
    if type(raw) is not int:
        raise _mismatch("an integer", raw, key_path)
    if -INT64 <= raw < INT64:
        return raw
    raise _mismatch("an integer of 64 bits", raw, key_path)


def _float(_: Hints, raw: object, __: bool, key_path: KeyPath) -> float:
    if type(raw) is float or (type(raw) is int and -INT64 <= raw < INT64):
        return float(raw)
    raise _mismatch("a number", raw, key_path)


def _path(_: Hints, raw: object, __: bool, key_path: KeyPath) -> Path:
    if isinstance(raw, (str, Path)):
        return Path(raw)
    raise _mismatch("a path", raw, key_path)


def _is_union(kind: object) -> bool:
    return get_origin(kind) in (Union, UnionType)


_READERS: dict[object, Reader] = {
    tuple: _tuple,
    dict: _dict,
    Union: _union,
    UnionType: _union,
    Literal: _literal,
    int: _int,
    float: _float,
    Path: _path,
}
_FROM_TEXT: dict[object, Callable[[str], object]] = {
    bool: lambda text: BOOLEANS.get(text.lower()),
    int: lambda text: int(text) if INTEGER.fullmatch(text) else None,
    float: lambda text: float(text) if NUMBER.fullmatch(text) else None,
}
