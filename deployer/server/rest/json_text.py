"""JSON text as rapidjson's PrettyWriter lays it out: strings, and values quoted in error texts."""

from __future__ import annotations

import math
import re
from collections.abc import Iterator
from typing import Any

from deployer.server.rest.json_read import members

_MUST_ESCAPE = re.compile(r'["\\\x00-\x1f]')
_NO_TEXT = re.compile("[\ud800-\udfff]")
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


def is_text(text: str) -> bool:
    """Tell whether a string came in as UTF-8: one of a proto has to be."""
    return not _NO_TEXT.search(text)


def error_body(message: str) -> bytes:
    """Return the body of an error answer."""
    return encode(f'{{\n    "error": {quote(message)}\n}}')


def debug(value: Any) -> str:
    """Quote a value in an error text: nothing more is begun after 256 bytes, nor after a NaN or infinity."""
    pieces: list[str] = []
    size = 0
    for piece in _pieces(value):
        if size >= _DEBUG_LIMIT:
            break
        pieces.append(piece)
        size += len(encode(piece))
    return "JSON Value: " + "".join(pieces)


def type_name(value: Any) -> str:
    """Name a value's JSON type as error texts do."""
    if value is None:
        return "Null"
    if isinstance(value, bool):
        return "True" if value else "False"
    names = ((dict, "Object"), (list, "Array"), (str, "String"))
    return next((name for kind, name in names if isinstance(value, kind)), "Number")


def _pieces(value: Any) -> Iterator[str]:
    """Yield what rapidjson writes at each name, value, begin and end, with a stack of its own instead of recursion."""
    stack = [iter((("", "", value),))]
    ends: list[str] = []
    while stack:
        for name, before, each in stack[-1]:
            if name:
                yield name
            if isinstance(each, (dict, list)):
                yield before + ("{" if isinstance(each, dict) else "[")
                gap = f"\n{' ' * 4 * len(ends)}" if isinstance(each, dict) and each else ""
                ends.append(gap + ("}" if isinstance(each, dict) else "]"))
                stack.append(_inner(each, len(ends)))
                break
            yield before + _scalar(each)
            if isinstance(each, float) and not math.isfinite(each):
                return
        else:
            stack.pop()
            if ends:
                yield ends.pop()


def _inner(value: Any, depth: int) -> Iterator[tuple[str, str, Any]]:
    """Yield the name, what stands before the value, and the value of each member or item."""
    if isinstance(value, dict):
        for place, (key, member) in enumerate(members(value)):
            yield f"{',' if place else ''}\n{' ' * 4 * depth}{quote(key)}", ": ", member
    else:
        for place, item in enumerate(value):
            yield "", ", " if place else "", item


def _scalar(value: Any) -> str:
    if isinstance(value, str):
        return quote(value)
    if isinstance(value, float):
        return repr(value) if math.isfinite(value) else ""
    if value is None:
        return "null"
    return str(value).lower()
