"""Frozen values from parsed JSON, by their type hints: a damaged or hostile document becomes no value."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from functools import cache
from types import UnionType
from typing import Any, Union, cast, get_args, get_origin, get_type_hints


class Mismatch(TypeError):
    """The document has other types than the value."""


def read(kind: Any, raw: Any) -> Any:
    """`raw` as `kind`: dataclasses from objects, tuples from lists, `X | None`, and plain types as they are.

    Keys that the dataclass does not know are left alone. Raises Mismatch.
    """
    if dataclasses.is_dataclass(kind):
        return _object(cast("type", kind), raw)
    if get_origin(kind) is tuple:
        return _tuple(get_args(kind), raw)
    if get_origin(kind) in (Union, UnionType):
        return None if raw is None else read(get_args(kind)[0], raw)
    if type(raw) is kind:
        return raw
    raise Mismatch(f"{raw!r:.40} is no {kind.__name__}")


def _object(kind: type, raw: Any) -> Any:
    if not isinstance(raw, Mapping):
        raise Mismatch(f"{raw!r:.40} is no {kind.__name__}")
    known = {name: hint for name, hint in _hints(kind).items() if name in raw}
    try:
        return kind(**{name: read(hint, raw[name]) for name, hint in known.items()})
    except TypeError as error:
        raise Mismatch(str(error)) from error


@cache
def _hints(kind: type) -> dict[str, Any]:
    hints = get_type_hints(kind)
    return {field.name: hints[field.name] for field in dataclasses.fields(kind)}


def _tuple(kinds: tuple[Any, ...], raw: Any) -> tuple[Any, ...]:
    if not isinstance(raw, list):
        raise Mismatch(f"{raw!r:.40} is no list")
    if kinds[-1] is Ellipsis:
        return tuple(read(kinds[0], item) for item in raw)
    if len(raw) != len(kinds):
        raise Mismatch(f"{raw!r:.40} has not {len(kinds)} items")
    return tuple(read(kind, item) for kind, item in zip(kinds, raw, strict=True))
