"""Reading the JSON of requests: orjson, and Python's `json` for what orjson refuses.

TensorFlow Serving reads with rapidjson. That takes `NaN`, `Infinity`, bytes that are no UTF-8 (lone surrogates here,
by Python's `surrogateescape`) and bytes after the value; it keeps all members of a name that stands twice in an
object, of which a look-up finds the first. Errors have its texts; offsets are those of Python's parser, in characters.
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
MOST_VALUES = 10_000_000
_LARGE = 1 << 20
_STARTS = np.isin(np.arange(256), list(b",[{"))
_BYTE_ORDER_MARK = re.compile(rb"(?:\xef(?:\xbb\xbf?)?)?")
_BLANK = re.compile(r"[ \t\r\n]*")
_STRING = r'"[^"\\]*(?:\\.[^"\\]*)*"?'
_WORD = re.compile(rf"{_STRING}|(-?)(?:NaN|(?:Na?)?Inf(?:inity|(?!i)))", re.DOTALL)
_BRACKET = re.compile(rf"{_STRING}|([\[\]{{}}])", re.DOTALL)
_HIGH, _LOW = r"\\u[dD][89abAB][0-9a-fA-F]{2}", r"\\u[dD][c-fC-F][0-9a-fA-F]{2}"
_SURROGATES = re.compile(rf"\\[^u]|{_HIGH}{_LOW}|({_HIGH}|{_LOW})", re.DOTALL)
_NUMBER = re.compile(r"[-+.eE0-9]*$")
_TEXTS = {
    "Expecting property name": "Missing a name for object member.",
    "Illegal trailing comma before end of object": "Missing a name for object member.",
    "Expecting ':'": "Missing a colon after a name of object member.",
    "Unterminated string": "Missing a closing quotation mark in string.",
    "Invalid \\uXXXX": "Incorrect hex digit after \\u escape in string.",
    "Invalid \\escape: 'u": "Incorrect hex digit after \\u escape in string.",
    "Invalid": "Invalid escape character in string.",
}


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


def parse(body: bytes, most_values: int = MOST_VALUES) -> Json:
    """Return the value of a body; raises INVALID_ARGUMENT with rapidjson's text."""
    if not body:
        raise invalid("JSON Parse error: The document is empty")
    _check_values(body, most_values)
    try:
        value = _without_collection(orjson.loads, body)
    except orjson.JSONDecodeError:
        return _without_collection(_parse_leniently, body)
    return value if _names_differ(body, value) else _without_collection(_parse_leniently, body)


def _check_values(body: bytes, most: int) -> None:
    """Refuse a body with more commas and opening brackets than `most`, also those in strings, without reading it.

    No other thread runs while orjson reads, so that its time has to be bounded; NumPy lets them run.
    """
    if len(body) <= most:
        return
    letters = np.frombuffer(body, np.uint8)
    pieces = (letters[start : start + _LARGE] for start in range(0, letters.size, _LARGE))
    if sum(int(np.count_nonzero(_STARTS.take(piece))) for piece in pieces) > most:
        raise invalid(f"JSON Parse error: More than {most} values.")


def _without_collection(read: Callable[[bytes], T], body: bytes) -> T:
    """Read with the garbage collector off: looking for garbage, of which there is none, takes longer than parsing."""
    if len(body) < _LARGE:
        return read(body)
    gc.disable()
    try:
        return read(body)
    finally:
        gc.enable()


def _names_differ(body: bytes, value: Json) -> bool:
    """Tell whether surely no name stands twice in an object: then each colon has a member of its own.

    A list is looked into when its first item is a list or an object.
    """
    found, left = 0, [value]
    while left:
        each = left.pop()
        if isinstance(each, dict):
            found += len(each)
            left += each.values()
        elif isinstance(each, list) and each and isinstance(each[0], (dict, list)):
            left += each
    return body.count(b":") == found


def _parse_leniently(body: bytes) -> Json:
    text = _BYTE_ORDER_MARK.sub(b"", body, count=1).decode("utf-8", "surrogateescape")
    if "Inf" in text or "-NaN" in text:
        text = _WORD.sub(_python_word, text)
    start = _BLANK.match(text).end()  # type: ignore[union-attr]
    try:
        value, end = _DECODER.raw_decode(text, start)
    except json.JSONDecodeError as error:
        raise _error(_text_of(error, start), error.pos) from error
    except RecursionError as error:
        raise invalid("JSON Parse error: Nested too deeply.") from error
    if alone := next((each for each in _SURROGATES.finditer(text, start, end) if each[1]), None):
        raise _error("The surrogate pair in string is invalid.", alone.start())
    return value


def _python_word(found: re.Match[str]) -> str:
    """Return a string as it is, and a word for what is not finite as Python's parser knows it."""
    if found[0].startswith('"'):
        return found[0]
    return "NaN" if found[0].endswith("NaN") else f"{found[1]}Infinity"


def _object(found: list[tuple[str, Json]]) -> dict[str, Json]:
    first = dict(found)
    return first if len(first) == len(found) else Members(found)


def _whole(text: str) -> int | float:
    value = int(text) if len(text) < 21 else 1 << 64
    return value if -(1 << 63) <= value < 1 << 64 else _double(text)


def _double(text: str) -> float:
    """Return a double; of those beyond the largest one, rapidjson calls too big what its exponent alone tells."""
    value = float(text)
    if math.isinf(value):
        digits, _, exponent = text.lower().partition("e")
        fraction = digits.partition(".")[2]
        if not exponent or len(exponent) > len("+308") or int(exponent) > 308 + len(fraction):
            raise invalid("JSON Parse error: Number too big to be stored in double.")
    return value


_DECODER = json.JSONDecoder(object_pairs_hook=_object, parse_int=_whole, parse_float=_double)


def _error(text: str, at: int) -> ServingError:
    return invalid(f"JSON Parse error: {text} at offset: {at}")


def _text_of(error: json.JSONDecodeError, start: int) -> str:
    """Return what rapidjson says where Python's parser raised this error."""
    at = error.doc[error.pos : error.pos + 1]
    if error.msg.startswith("Expecting ',' delimiter"):
        return _delimiter_text(error.doc[: error.pos], at)
    if error.msg.startswith("Invalid control character") and at == "\0":
        return _TEXTS["Unterminated string"]
    if error.pos == start and at in ("", "\0", "]", "}", ",", ":"):
        return "The document is empty."
    return next((text for begin, text in _TEXTS.items() if error.msg.startswith(begin)), "Invalid value.")


def _delimiter_text(before: str, at: str) -> str:
    number = _NUMBER.search(before)[0].lower()  # type: ignore[index]
    if at == "." and number.lstrip("-").isdigit():
        return "Miss fraction part in number."
    if at in ("e", "E") and number and "e" not in number:
        return "Miss exponent in number."
    opened: list[str] = []
    for bracket in filter(None, (found[1] for found in _BRACKET.finditer(before))):
        if bracket in "[{":
            opened.append(bracket)
        else:
            opened.pop()
    wanted = "']' after an array element." if opened[-1] == "[" else "'}' after an object member."
    return f"Missing a comma or {wanted}"
