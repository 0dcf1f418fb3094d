"""Format JSON text as rapidjson's PrettyWriter does: strings, and values in error messages."""

from __future__ import annotations

import math
import re
from collections.abc import Iterator

from deployer.server.rest.json_read import members

_MUST_ESCAPE = re.compile(r'["\\\x00-\x1f]')
_LONE_SURROGATE = re.compile("[\ud800-\udfff]")
_SHORT = {'"': '\\"', "\\": "\\\\", "\b": "\\b", "\f": "\\f", "\n": "\\n", "\r": "\\r", "\t": "\\t"}
_DEBUG_LIMIT = 256


def quote(text: str) -> str:
    """Return a JSON string; characters that are not ASCII stay unchanged."""
    return '"' + _MUST_ESCAPE.sub(_escaped, text) + '"'


def _escaped(found: re.Match[str]) -> str:
    return _SHORT.get(found[0]) or f"\\u{ord(found[0]):04X}"


def encode(text: str) -> bytes:
    """Return the bytes to send; invalid UTF-8 of the request is sent unchanged."""
    return text.encode("utf-8", "surrogateescape")


def is_text(text: str) -> bool:
    """Return whether a string of the request was valid UTF-8, as a proto's string must be."""
    return not _LONE_SURROGATE.search(text)


def error_body(message: str) -> bytes:
    """Return the body of an error reply."""
    return encode(f'{{\n    "error": {quote(message)}\n}}')


def debug(value: object) -> str:
    """Quote a value for an error message, truncated after 256 bytes or after NaN or infinity."""
    pieces: list[str] = []
    size = 0
    for piece in _pieces(value):
        if size >= _DEBUG_LIMIT:
            break
        pieces.append(piece)
        size += len(encode(piece))
    return "JSON Value: " + "".join(pieces)


def type_name(value: object) -> str:
    """Return the name of a value's JSON type in error messages."""
    if value is None:
        return "Null"
    if isinstance(value, bool):
        return "True" if value else "False"
    names = ((dict, "Object"), (list, "Array"), (str, "String"))
    return next((name for kind, name in names if isinstance(value, kind)), "Number")


def _pieces(value: object) -> Iterator[str]:
    """Yield what rapidjson writes at each name, value, start and end, without recursion."""
    stack = [iter((("", "", value),))]
    ends: list[str] = []
    while stack:
        for name, before, item in stack[-1]:
            if name:
                yield name
            if isinstance(item, (dict, list)):
                yield before + ("{" if isinstance(item, dict) else "[")
                gap = f"\n{' ' * 4 * len(ends)}" if isinstance(item, dict) and item else ""
                ends.append(gap + ("}" if isinstance(item, dict) else "]"))
                stack.append(_inner(item, len(ends)))
                break
            yield before + _scalar(item)
            if isinstance(item, float) and not math.isfinite(item):
                return
        else:
            stack.pop()
            if ends:
                yield ends.pop()


def _inner(value: dict[str, object] | list[object], depth: int) -> Iterator[tuple[str, str, object]]:
    """Yield name, separator and value of each member or item."""
    if isinstance(value, dict):
        for index, (key, member) in enumerate(members(value)):
            yield f"{',' if index else ''}\n{' ' * 4 * depth}{quote(key)}", ": ", member
    else:
        for index, item in enumerate(value):
            yield "", ", " if index else "", item


def _scalar(value: object) -> str:
    if isinstance(value, str):
        return quote(value)
    if isinstance(value, float):
        return repr(value) if math.isfinite(value) else ""
    if value is None:
        return "null"
    return str(value).lower()
