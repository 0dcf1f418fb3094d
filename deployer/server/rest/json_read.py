"""Reading JSON as rapidjson 1.1 does: what it takes, what it refuses, and with which words.

orjson is asked first. Only what orjson refuses goes through the reader below, which is slow and exact: it knows `NaN`
and `Infinity`, stops after the first value, keeps names that stand twice and bytes that are no UTF-8 (as lone
surrogates, by Python's `surrogateescape`), takes nearly any depth, and finds the same error at the same offset. It is
asked again where a value is refused: its doubles are those that an error text shows.
"""

from __future__ import annotations

import dataclasses
import gc
import math
import re
import time
from collections.abc import Callable
from typing import Any, TypeVar

import numpy as np
import orjson

from deployer.server.rest import json_doubles
from deployer.server.rest.json_members import Members, count
from deployer.server.status import Code, ServingError, invalid

Json = Any
T = TypeVar("T")
_LARGE = 1 << 20
_READS_PER_LOOK = 10_000
_BLANK = re.compile(rb"[ \t\r\n]*")
_NUMBER = re.compile(rb"-?(?:0|[1-9][0-9]*)(\.[0-9]*)?([eE][+-]?[0-9]*)?")
_PLAIN = re.compile(rb'[^"\\\x00-\x1f]*')
_HEX = re.compile(rb"[0-9a-fA-F]{4}")
_ESCAPES = {
    b'"': b'"',
    b"\\": b"\\",
    b"/": b"/",
    b"b": b"\b",
    b"f": b"\f",
    b"n": b"\n",
    b"r": b"\r",
    b"t": b"\t",
}
_NO_VALUE = (b"", b"\0", b"]", b"}", b",", b":")
_LITERALS = {b"t": (b"true", True), b"f": (b"false", False), b"n": (b"null", None)}
_STARTS = np.isin(np.arange(256), list(b",[{"))
_STRING = re.compile(rb'"[^"\\]*(?:\\.[^"\\]*)*"[ \t\r\n]*(:?)', re.DOTALL)
_BYTE_ORDER_MARK = re.compile(rb"(?:\xef(?:\xbb\xbf?)?)?")


@dataclasses.dataclass(frozen=True)
class JsonLimits:
    """How large a document may be: levels of nesting, and values, of which lists and objects count twice."""

    depth: int = 10_000
    values: int = 10_000_000


class Document:
    """The JSON value of a body; what is beyond the limits, or not read by the time `end`, is refused."""

    def __init__(self, body: bytes, limits: JsonLimits | None = None, end: float = math.inf) -> None:
        """Read a body; raises INVALID_ARGUMENT with rapidjson's text."""
        if not body:
            raise invalid("JSON Parse error: The document is empty")
        limits = limits or JsonLimits()
        _check_values(body, limits.values)
        self._body, self._limits = body, (limits.depth, end)
        self._is_exact = False
        try:
            self.value = _loaded(body)
        except orjson.JSONDecodeError:
            self._read_exactly()
        else:
            if not _names_differ(body, self.value):
                self._read_exactly()

    def _read_exactly(self) -> None:
        self.value, self._is_exact = _Reader(self._body, *self._limits).document(), True

    def told(self, read: Callable[[Json], T]) -> T:
        """Return what is read from the value; where that raises a ServingError, the exact value is read instead."""
        if not self._is_exact:
            try:
                return read(self.value)
            except ServingError:
                self._read_exactly()
        return read(self.value)


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


def _loaded(body: bytes) -> Json:
    """Read with orjson. What it makes is no garbage: to look for some meanwhile takes longer than all the rest."""
    if len(body) < _LARGE:
        return orjson.loads(body)
    gc.disable()
    try:
        return orjson.loads(body)
    finally:
        gc.enable()


def _names_differ(body: bytes, value: Json) -> bool:
    """Tell whether surely no name stands twice in an object: then each colon has a member of its own."""
    colons = body.count(b":")
    if isinstance(value, dict) and colons == len(value):
        return True
    known = count(value)
    return colons == known or sum(1 for found in _STRING.finditer(body) if found[1]) == known


def _error(text: str, at: int) -> ServingError:
    return invalid(f"JSON Parse error: {text} at offset: {at}")


class _Named(list[tuple[str, Json]]):
    """The members of an object that is being read."""


def _object(members: list[tuple[str, Json]]) -> dict[str, Json]:
    found = dict(members)
    return found if len(found) == len(members) else Members(members)


class _Reader:
    """One pass over a body with a stack of its own, so that depth costs no recursion."""

    def __init__(self, body: bytes, depth: int = JsonLimits.depth, end: float = math.inf) -> None:
        self._body = body
        self._depth = depth
        self._end = end
        self._reads = 0
        self._at = _BYTE_ORDER_MARK.match(body).end()  # type: ignore[union-attr]
        self._stack: list[list[Any]] = []
        self._keys: list[str] = []

    def document(self) -> Json:
        if self._peek() in _NO_VALUE:
            raise _error("The document is empty.", self._at)
        value = self._value()
        while self._stack:
            self._watch_time()
            value = self._after(value)
        return value

    def _peek(self) -> bytes:
        self._at = _BLANK.match(self._body, self._at).end()  # type: ignore[union-attr]
        return self._peeked()

    def _value(self) -> Json:
        """Read a scalar or an empty container; opened containers go on the stack until a first value is found."""
        while True:
            start = self._peek()
            if start == b"{":
                self._at += 1
                if self._peek() == b"}":
                    self._at += 1
                    return {}
                self._open(_Named())
                self._key()
            elif start == b"[":
                self._at += 1
                if self._peek() == b"]":
                    self._at += 1
                    return []
                self._open([])
            else:
                return self._scalar(start)

    def _open(self, container: list[Any]) -> None:
        if len(self._stack) >= self._depth:
            raise _error(f"Nested deeper than {self._depth} levels.", self._at)
        self._stack.append(container)

    def _watch_time(self) -> None:
        """Look at the clock now and then: the error of a large body may be at its end."""
        self._reads += 1
        if self._reads % _READS_PER_LOOK == 0 and time.monotonic() > self._end:
            raise ServingError(Code.DEADLINE_EXCEEDED, "Timed out reading the request")

    def _after(self, value: Json) -> Json:
        """Put a finished value into its container, and go on to the next value or close the container."""
        container = self._stack[-1]
        is_list = not isinstance(container, _Named)
        container.append(value if is_list else (self._keys.pop(), value))
        follows = self._peek()
        if follows == (b"]" if is_list else b"}"):
            self._at += 1
            return self._stack.pop() if is_list else _object(self._stack.pop())
        if follows != b",":
            wanted = "']' after an array element." if is_list else "'}' after an object member."
            raise _error(f"Missing a comma or {wanted}", self._at)
        self._at += 1
        if not is_list:
            self._key()
        return self._value()

    def _key(self) -> None:
        if self._peek() != b'"':
            raise _error("Missing a name for object member.", self._at)
        self._keys.append(self._string())
        if self._peek() != b":":
            raise _error("Missing a colon after a name of object member.", self._at)
        self._at += 1

    def _scalar(self, start: bytes) -> Json:
        if start == b'"':
            return self._string()
        if start in _LITERALS:
            return self._literal(*_LITERALS[start])
        found = _NUMBER.match(self._body, self._at)
        return self._number(found) if found else self._not_finite()

    def _literal(self, word: bytes, value: Json) -> Json:
        if not self._goes_on(word):
            raise _error("Invalid value.", self._at)
        return value

    def _not_finite(self) -> float:
        """Read a word for what no digits tell, letter by letter: the error is where the first wrong one is."""
        minus = self._goes_on(b"-")
        if self._peeked() in (b"N", b"I"):
            if self._goes_on(b"NaN"):
                return math.nan
            if self._goes_on(b"Inf") and (self._peeked() != b"i" or self._goes_on(b"inity")):
                return -math.inf if minus else math.inf
        raise _error("Invalid value.", self._at)

    def _peeked(self) -> bytes:
        return self._body[self._at : self._at + 1]

    def _goes_on(self, word: bytes) -> bool:
        """Go past the letters of a word, as far as they stand here; tell whether it is the whole word."""
        for place in range(len(word)):
            if self._peeked() != word[place : place + 1]:
                return False
            self._at += 1
        return True

    def _number(self, found: re.Match[bytes]) -> int | float:
        start, self._at = self._at, found.end()
        text, fraction, exponent = found[0], found[1], found[2]
        if fraction == b".":
            raise _error("Miss fraction part in number.", found.end(1))
        if exponent and not exponent[-1:].isdigit():
            raise _error("Miss exponent in number.", found.end(2))
        if not fraction and not exponent and len(text) < 21:
            whole = int(text)
            if -(1 << 63) <= whole < 1 << 64:
                return whole
        try:
            return json_doubles.read(text.decode("ascii"))
        except OverflowError:
            raise _error("Number too big to be stored in double.", start) from None

    def _string(self) -> str:
        pieces = []
        self._at += 1
        while True:
            found = _PLAIN.match(self._body, self._at)
            pieces.append(found[0])  # type: ignore[index]
            self._at = found.end()  # type: ignore[union-attr]
            stop = self._body[self._at : self._at + 1]
            if stop == b'"':
                self._at += 1
                return b"".join(pieces).decode("utf-8", "surrogateescape")
            if stop in (b"", b"\0"):
                raise _error("Missing a closing quotation mark in string.", self._at)
            if stop != b"\\":
                raise _error("Invalid escape character in string.", self._at)
            pieces.append(self._escape())

    def _escape(self) -> bytes:
        letter = self._body[self._at + 1 : self._at + 2]
        if letter in _ESCAPES and letter:
            self._at += 2
            return _ESCAPES[letter]
        if letter != b"u":
            raise _error("Invalid escape character in string.", self._at)
        start = self._at
        point = self._hex()
        if 0xD800 <= point <= 0xDBFF:
            point = self._low_surrogate(point, start)
        return chr(point).encode("utf-8", "surrogatepass")

    def _low_surrogate(self, high: int, start: int) -> int:
        low = self._hex() if self._body[self._at : self._at + 2] == b"\\u" else 0
        if not 0xDC00 <= low <= 0xDFFF:
            raise _error("The surrogate pair in string is invalid.", start)
        return 0x10000 + ((high - 0xD800) << 10) + (low - 0xDC00)

    def _hex(self) -> int:
        found = _HEX.match(self._body, self._at + 2)
        if not found:
            raise _error("Incorrect hex digit after \\u escape in string.", self._at)
        self._at += 6
        return int(found[0], 16)
