"""Parse the JSON of requests with orjson, and with Python's `json` what orjson rejects.

TensorFlow Serving parses with rapidjson, which accepts `NaN`, `Infinity`, invalid UTF-8 (here lone surrogates by
Python's `surrogateescape`) and data after the value. It keeps all members of a repeated name, and a look-up finds the
first. Error messages are rapidjson's; offsets are those of Python's parser, in characters.
"""

from __future__ import annotations

import gc
import json
import math
import re
from collections.abc import Callable, Iterable, Mapping
from typing import Any, TypeVar

import numpy as np
import orjson

from deployer.server.status import ServingError, invalid

Json = Any
T = TypeVar("T")
MAX_VALUES = 10_000_000
_CHUNK_BYTES = 1 << 20
_VALUE_STARTS = np.isin(np.arange(256), list(b",[{"))
_BYTE_ORDER_MARK = re.compile(rb"(?:\xef(?:\xbb\xbf?)?)?")
_BLANK = re.compile(r"[ \t\r\n]*")
_STRING = r'"[^"\\]*(?:\\.[^"\\]*)*"?'
_WORD = re.compile(rf"{_STRING}|(-?)(?:NaN|(?:Na?)?Inf(?:inity|(?!i)))", re.DOTALL)
_BRACKET = re.compile(rf"{_STRING}|([\[\]{{}}])", re.DOTALL)
_HIGH, _LOW = r"\\u[dD][89abAB][0-9a-fA-F]{2}", r"\\u[dD][c-fC-F][0-9a-fA-F]{2}"
_SURROGATES = re.compile(rf"\\[^u]|{_HIGH}{_LOW}|({_HIGH}|{_LOW})", re.DOTALL)
_NUMBER = re.compile(r"[-+.eE0-9]*$")
_ERROR_TEXTS = {
    "Expecting property name": "Missing a name for object member.",
    "Illegal trailing comma before end of object": "Missing a name for object member.",
    "Expecting ':'": "Missing a colon after a name of object member.",
    "Unterminated string": "Missing a closing quotation mark in string.",
    "Invalid \\uXXXX": "Incorrect hex digit after \\u escape in string.",
    "Invalid \\escape: 'u": "Incorrect hex digit after \\u escape in string.",
    "Invalid": "Invalid escape character in string.",
}


class Members(dict[str, Json]):
    """An object with repeated names: a dict of the first members, and `all` members in order."""

    def __init__(self, members: list[tuple[str, Json]]) -> None:
        super().__init__(reversed(members))
        self.all = members


def members(value: Mapping[str, Json]) -> Iterable[tuple[str, Json]]:
    """Return all members of an object in order."""
    return value.all if isinstance(value, Members) else value.items()


def c_name(name: str) -> str:
    """Return a name as C reads it, up to its first NUL."""
    return name.partition("\0")[0]


def parse(body: bytes, max_values: int = MAX_VALUES) -> Json:
    """Return the value of a body. Raises ServingError (INVALID_ARGUMENT) with rapidjson's message."""
    if not body:
        raise invalid("JSON Parse error: The document is empty")
    _check_values(body, max_values)
    try:
        value = _without_collection(orjson.loads, body)
    except orjson.JSONDecodeError:
        return _without_collection(_parse_leniently, body)
    return _without_collection(_parse_leniently, body) if _may_have_duplicate_keys(body, value) else value


def _check_values(body: bytes, limit: int) -> None:
    """Reject a body with more commas and opening brackets than `limit`, including those in strings, without parsing it.

    orjson holds the GIL while it parses, so its time must be bounded; NumPy releases it.
    """
    if len(body) <= limit:
        return
    characters = np.frombuffer(body, np.uint8)
    chunks = (characters[start : start + _CHUNK_BYTES] for start in range(0, characters.size, _CHUNK_BYTES))
    if sum(int(np.count_nonzero(_VALUE_STARTS.take(chunk))) for chunk in chunks) > limit:
        raise invalid(f"JSON Parse error: More than {limit} values.")


def _without_collection(read: Callable[[bytes], T], body: bytes) -> T:
    """Parse with the garbage collector off: collecting, without any garbage, takes longer than parsing."""
    if len(body) < _CHUNK_BYTES:
        return read(body)
    gc.disable()
    try:
        return read(body)
    finally:
        gc.enable()


def _may_have_duplicate_keys(body: bytes, value: Json) -> bool:
    """Return whether a name may be repeated in an object: if not, there are as many colons as members.

    Lists are searched only if their first item is a list or an object.
    """
    found, stack = 0, [value]
    while stack:
        each = stack.pop()
        if isinstance(each, dict):
            found += len(each)
            stack += each.values()
        elif isinstance(each, list) and each and isinstance(each[0], (dict, list)):
            stack += each
    return body.count(b":") != found


def _parse_leniently(body: bytes) -> Json:
    text = _BYTE_ORDER_MARK.sub(b"", body, count=1).decode("utf-8", "surrogateescape")
    if "Inf" in text or "-NaN" in text:
        text = _WORD.sub(_python_word, text)
    start = _BLANK.match(text).end()  # type: ignore[union-attr]
    try:
        value, end = _DECODER.raw_decode(text, start)
    except json.JSONDecodeError as error:
        raise _error(_error_text(error, start), error.pos) from error
    except RecursionError as error:
        raise invalid("JSON Parse error: Nested too deeply.") from error
    if lone := next((each for each in _SURROGATES.finditer(text, start, end) if each[1]), None):
        raise _error("The surrogate pair in string is invalid.", lone.start())
    return value


def _python_word(found: re.Match[str]) -> str:
    """Return a string unchanged, and a word for a value that is not finite as Python's parser spells it."""
    if found[0].startswith('"'):
        return found[0]
    return "NaN" if found[0].endswith("NaN") else f"{found[1]}Infinity"


def _object(found: list[tuple[str, Json]]) -> dict[str, Json]:
    first = dict(found)
    return first if len(first) == len(found) else Members(found)


def _parse_int(text: str) -> int | float:
    value = int(text) if len(text) < 21 else 1 << 64
    return value if -(1 << 63) <= value < 1 << 64 else _parse_float(text)


def _parse_float(text: str) -> float:
    """Return a double; rapidjson rejects as too big only what its exponent alone shows to be infinite."""
    value = float(text)
    if math.isinf(value):
        digits, _, exponent = text.lower().partition("e")
        fraction = digits.partition(".")[2]
        if not exponent or len(exponent) > len("+308") or int(exponent) > 308 + len(fraction):
            raise invalid("JSON Parse error: Number too big to be stored in double.")
    return value


_DECODER = json.JSONDecoder(object_pairs_hook=_object, parse_int=_parse_int, parse_float=_parse_float)


def _error(text: str, character: int) -> ServingError:
    return invalid(f"JSON Parse error: {text} at offset: {character}")


def _error_text(error: json.JSONDecodeError, start: int) -> str:
    """Return rapidjson's message for an error of Python's parser."""
    character = error.doc[error.pos : error.pos + 1]
    if error.msg.startswith("Expecting ',' delimiter"):
        return _delimiter_text(error.doc[: error.pos], character)
    if error.msg.startswith("Invalid control character") and character == "\0":
        return _ERROR_TEXTS["Unterminated string"]
    if error.pos == start and character in ("", "\0", "]", "}", ",", ":"):
        return "The document is empty."
    return next((text for begin, text in _ERROR_TEXTS.items() if error.msg.startswith(begin)), "Invalid value.")


def _delimiter_text(before: str, character: str) -> str:
    number = _NUMBER.search(before)[0].lower()  # type: ignore[index]
    if character == "." and number.lstrip("-").isdigit():
        return "Miss fraction part in number."
    if character in ("e", "E") and number and "e" not in number:
        return "Miss exponent in number."
    open_brackets: list[str] = []
    for bracket in filter(None, (found[1] for found in _BRACKET.finditer(before))):
        if bracket in "[{":
            open_brackets.append(bracket)
        else:
            open_brackets.pop()
    expected = "']' after an array element." if open_brackets[-1] == "[" else "'}' after an object member."
    return f"Missing a comma or {expected}"
