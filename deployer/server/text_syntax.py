"""Protobuf's text format, as strict as the parser in C++ that TensorFlow Serving has. Needs no TensorFlow.

Python's parser takes more: blanks of Unicode, `1_0`, `+1`, `0b1`, `0o7`, escapes of its own; and less: it wants UTF-8
in comments, and no blank behind a minus sign. So the text is read here first, by the rules of
`google/protobuf/io/tokenizer.cc`, and what Python gets is the same tokens in ASCII.
"""

from __future__ import annotations

import re
from typing import Any

_ESCAPE = r"""\\(?:[abfnrtv\\?'"]|[0-7]{1,3}|[xX][0-9a-fA-F]{1,2}|u[0-9a-fA-F]{4}|U00[01][0-9a-fA-F]{5})"""
_EXPONENT = r"(?:[eE][+-]?[0-9]+)?[fF]?"
_TOKEN = re.compile(
    rf"""(?P<blank>[ \t\n\r\v\f]+)
    |(?P<comment>\#[^\n\0]*)
    |(?P<name>[A-Za-z_][A-Za-z0-9_]*)
    |(?P<number>0[xX][0-9a-fA-F]+|0[0-7]+|(?:0|[1-9][0-9]*)(?:\.[0-9]*)?{_EXPONENT}|\.[0-9]+{_EXPONENT})
    |(?P<string>"(?:[^"\\\n\0]|{_ESCAPE})*"|'(?:[^'\\\n\0]|{_ESCAPE})*')
    |(?P<symbol>[]{{}}<>[:;,./-])""",
    re.VERBOSE,
)
_ESCAPED = re.compile(rf"(?:{_ESCAPE})(?:(?<=\\u[dD][89abAB][0-9a-fA-F]{{2}})\\u[dD][c-fC-F][0-9a-fA-F]{{2}})?")
_STRING_BEGUN = re.compile(rf"""(?P<quote>["'])(?:{_ESCAPE}|(?!(?P=quote))[^\\\n\0])*""")
_LETTERS = {"a": 7, "b": 8, "f": 12, "n": 10, "r": 13, "t": 9, "v": 11}
_PLAIN = re.compile(r"[ -!#-&(-\[\]-~]*")


class TextSyntaxError(ValueError):
    """The text is not what the parser in C++ takes; line and column count from 1, columns in bytes."""

    def __init__(self, line: int, column: int, reason: str) -> None:
        super().__init__(f"{line}:{column}: {reason}")
        self.line = line
        self.column = column
        self.reason = reason


def parse(data: bytes, message: Any) -> Any:
    """Fill a message from text and return it. Raises TextSyntaxError."""
    from google.protobuf import text_format

    try:
        return text_format.Parse(plain(data), message)
    except text_format.ParseError as error:
        reason = re.sub(r"^\d+:\d+ : ", "", str(error))
        raise TextSyntaxError(error.GetLine() or 1, error.GetColumn() or 1, reason) from error


def plain(data: bytes) -> str:
    """The same tokens in ASCII, on the same lines, without comments. Raises TextSyntaxError."""
    text = data.decode("latin-1")  # a character for each byte
    written: list[str] = []
    place, sign, end = 0, "", len(text)
    while place < end:
        match = _TOKEN.match(text, place)
        if match is None:
            raise _error(text, place, _reason(text, place))
        kind, found = match.lastgroup, match[0]
        place = match.end()
        if kind == "number" and place < end and re.match(r"[0-9A-Za-z_.]", text[place]):
            raise _error(text, place, _behind_number(text[place]))
        if kind == "blank":
            written.append(found)
        elif found == "-":
            written.append(sign)
            sign = found
        elif kind != "comment":
            written += (sign, _ascii(found) if kind == "string" else found)
            sign = ""
    written.append(sign)
    return "".join(written)


def _ascii(token: str) -> str:
    """A string with its quotes: as it is, or with every other byte as an octal escape."""
    body = token[1:-1]
    if _PLAIN.fullmatch(body):
        return token
    value = re.sub(_ESCAPED, lambda match: _unescaped(match[0]).decode("latin-1"), body)
    return '"' + "".join(each if _PLAIN.fullmatch(each) else f"\\{ord(each):03o}" for each in value) + '"'


def _unescaped(escape: str) -> bytes:
    key = escape[1]
    if key in "01234567":
        return bytes([int(escape[1:], 8) & 0xFF])
    if key in "xX":
        return bytes([int(escape[2:], 16)])
    if key not in "uU":
        return bytes([_LETTERS.get(key, ord(key))])
    if len(escape) == 12:  # a pair of surrogates
        return bytes.fromhex(escape[2:6] + escape[8:]).decode("utf-16-be").encode()
    code = int(escape[2:], 16)
    return chr(code).encode("utf-8", "surrogatepass") if code <= 0x10FFFF else f"\\U{code:08x}".encode()


def _error(text: str, place: int, reason: str) -> TextSyntaxError:
    before = text[:place]
    return TextSyntaxError(before.count("\n") + 1, place - (before.rfind("\n") + 1) + 1, reason)


def _reason(text: str, place: int) -> str:
    found = text[place]
    if begun := _STRING_BEGUN.match(text, place):
        behind = text[begun.end() : begun.end() + 1]
        if behind == "\\":
            return f"invalid escape sequence {text[begun.end() : begun.end() + 2]!r} in a string"
        return "a string has no end on its line" if behind in ("", "\n") else "a string holds a NUL byte"
    if ord(found) >= 0x80:
        return f"byte 0x{ord(found):02x} is not ASCII: outside of strings and comments nothing else is allowed"
    if ord(found) < 0x20:
        return f"control character 0x{ord(found):02x}"
    return f"unexpected {found!r}; a number has no plus sign" if found == "+" else f"unexpected {found!r}"


def _behind_number(found: str) -> str:
    if found == ".":
        return "a number has a second decimal point, or one behind hexadecimal or octal digits"
    if found.isdigit():
        return "a number that begins with 0 must be octal"
    return "a number and a name need a blank between them; there are no 0b, 0o and _ in numbers"
