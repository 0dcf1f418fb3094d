"""Frozen values from parsed JSON or TOML, by their type hints: a damaged or hostile document becomes no value."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from types import NoneType, UnionType
from typing import Any, Literal, Union, cast, get_args, get_origin, get_type_hints


class Mismatch(TypeError):
    """The document has other types than the value."""


def read(kind: Any, raw: Any, *, strict: bool = False) -> Any:
    """`raw` as `kind`: dataclasses from objects, tuples from lists, paths from texts, and plain types as they are.

    Keys that the dataclass does not know are left alone, or refused when `strict`. Raises Mismatch, and what a
    dataclass raises at values that it does not want.
    """
    if dataclasses.is_dataclass(kind):
        return _object(cast("type", kind), raw, strict)
    reader = _READERS.get(get_origin(kind) or kind)
    if reader:
        return reader(get_args(kind), raw, strict)
    if type(raw) is kind:
        return raw
    raise Mismatch(f"{raw!r:.40} is no {kind.__name__}")


def _object(kind: type, raw: Any, strict: bool) -> Any:
    if not isinstance(raw, Mapping):
        raise Mismatch(f"{raw!r:.40} is no {kind.__name__}")
    hints = _hints(kind)
    if strict and not hints.keys() >= raw.keys():
        raise Mismatch(f"{kind.__name__} has not all of {list(raw)}")
    known = {name: read(hint, raw[name], strict=strict) for name, hint in hints.items() if name in raw}
    try:
        return kind(**known)
    except TypeError as error:
        raise Mismatch(str(error)) from error


@cache
def _hints(kind: type) -> dict[str, Any]:
    hints = get_type_hints(kind)
    return {field.name: hints[field.name] for field in dataclasses.fields(kind)}


def _tuple(kinds: tuple[Any, ...], raw: Any, strict: bool) -> tuple[Any, ...]:
    if not isinstance(raw, list):
        raise Mismatch(f"{raw!r:.40} is no list")
    if kinds[-1] is Ellipsis:
        return tuple(read(kinds[0], item, strict=strict) for item in raw)
    if len(raw) != len(kinds):
        raise Mismatch(f"{raw!r:.40} has not {len(kinds)} items")
    return tuple(read(kind, item, strict=strict) for kind, item in zip(kinds, raw, strict=True))


def _dict(kinds: tuple[Any, ...], raw: Any, strict: bool) -> dict[Any, Any]:
    if not isinstance(raw, Mapping):
        raise Mismatch(f"{raw!r:.40} is no object")
    of_key, of_value = kinds
    return {read(of_key, key, strict=strict): read(of_value, value, strict=strict) for key, value in raw.items()}


def _union(kinds: tuple[Any, ...], raw: Any, strict: bool) -> Any:
    """One of several plain types as it is; with None, the one kind beside it."""
    if type(raw) in kinds:
        return raw
    kind, *others = (kind for kind in kinds if kind is not NoneType)
    if others:
        raise Mismatch(f"{raw!r:.40} is none of {kinds}")
    return read(kind, raw, strict=strict)


def _literal(values: tuple[Any, ...], raw: Any, _: bool) -> Any:
    if isinstance(raw, str) and raw in values:
        return raw
    raise Mismatch(f"{raw!r:.40} is none of {values}")


def _float(_: tuple[Any, ...], raw: Any, __: bool) -> float:
    if type(raw) in (int, float):
        return float(raw)
    raise Mismatch(f"{raw!r:.40} is no number")


def _path(_: tuple[Any, ...], raw: Any, __: bool) -> Path:
    if isinstance(raw, (str, Path)):
        return Path(raw)
    raise Mismatch(f"{raw!r:.40} is no path")


_READERS: dict[Any, Any] = {
    tuple: _tuple,
    dict: _dict,
    Union: _union,
    UnionType: _union,
    Literal: _literal,
    float: _float,
    Path: _path,
}
