"""JSON text as rapidjson's PrettyWriter lays it out: strings, numbers, and values quoted in error texts."""

from __future__ import annotations

import dataclasses
import math
import re
from collections.abc import Iterator
from typing import Any

_MUST_ESCAPE = re.compile(r'["\\\x00-\x1f]')
_SHORT = {'"': '\\"', "\\": "\\\\", "\b": "\\b", "\f": "\\f", "\n": "\\n", "\r": "\\r", "\t": "\\t"}
_DEBUG_LIMIT = 256


def quote(text: str) -> str:
    """Return a JSON string; what is no ASCII stays as it is."""
    return '"' + _MUST_ESCAPE.sub(_escaped, text) + '"'


def _escaped(found: re.Match[str]) -> str:
    return _SHORT.get(found[0]) or f"\\u{ord(found[0]):04X}"


def encode(text: str) -> bytes:
    """Return the bytes to send; bytes that came in as no UTF-8 go out as they came."""
    return text.encode("utf-8", "surrogateescape")


def error_body(message: str) -> bytes:
    """Return the body of an error answer."""
    return encode(f'{{\n    "error": {quote(message)}\n}}')


def double(value: float) -> str:
    """Print a finite double as rapidjson does: shortest digits, an exponent only far from one."""
    text = repr(value)
    if "e" not in text:
        return text if abs(value) >= 1e-5 or not value else _plain(text)
    mantissa, _, exponent = text.partition("e")
    power = int(exponent)
    if -7 < power < 21:
        return _plain(text)
    return f"{mantissa.removesuffix('.0')}e{power}"


def _plain(text: str) -> str:
    """Write a number with an exponent as plain digits."""
    mantissa, _, exponent = text.partition("e")
    sign, digits = ("-", mantissa[1:]) if mantissa.startswith("-") else ("", mantissa)
    whole, _, fraction = digits.partition(".")
    point = len(whole) + int(exponent or 0)
    all_digits = whole + fraction
    if point <= 0:
        return f"{sign}0.{'0' * -point}{all_digits}"
    return f"{sign}{all_digits.ljust(point, '0')}.{all_digits[point:] or '0'}"


def debug(value: Any) -> str:
    """Quote a value in an error text, cut short soon after 256 characters and at the first NaN or infinity."""
    pieces: list[str] = []
    size = 0
    for piece in _pieces(value):
        pieces.append(piece)
        size += len(piece)
        if size > _DEBUG_LIMIT:
            break
    return "JSON Value: " + "".join(pieces)


def type_name(value: Any) -> str:
    """Name a value's JSON type as error texts do."""
    if value is None:
        return "Null"
    if isinstance(value, bool):
        return "True" if value else "False"
    names = ((dict, "Object"), (list, "Array"), (str, "String"))
    return next((name for kind, name in names if isinstance(value, kind)), "Number")


@dataclasses.dataclass(frozen=True)
class _Inner:
    """A member of a container, still to be written."""

    value: Any


def _pieces(value: Any) -> Iterator[str]:
    """Yield the text of a value piece by piece, with a stack of its own instead of recursion."""
    stack = [_written(value, 1)]
    while stack:
        for piece in stack[-1]:
            if piece is None:
                return
            if isinstance(piece, _Inner):
                stack.append(_written(piece.value, len(stack) + 1))
                break
            yield piece
        else:
            stack.pop()


def _written(value: Any, depth: int) -> Iterator[str | _Inner | None]:
    """Yield a value's own text and its members; None where rapidjson stops: at a number that is not finite."""
    if isinstance(value, dict):
        for place, (key, member) in enumerate(value.items()):
            yield f"{',' if place else '{'}\n{' ' * 4 * depth}{quote(key)}: "
            yield _Inner(member)
        yield f"\n{' ' * 4 * (depth - 1)}}}" if value else "{}"
    elif isinstance(value, list):
        yield "["
        for place, member in enumerate(value):
            yield ", " if place else ""
            yield _Inner(member)
        yield "]"
    else:
        yield _scalar(value)


def _scalar(value: Any) -> str | None:
    if isinstance(value, str):
        return quote(value)
    if isinstance(value, float):
        return double(value) if math.isfinite(value) else None
    if value is None:
        return "null"
    return str(value).lower()
