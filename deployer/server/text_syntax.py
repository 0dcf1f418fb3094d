"""Parse protobuf's text format as strictly as the C++ parser of TensorFlow Serving. Needs no TensorFlow.

Python's parser accepts more (Unicode whitespace, `1_0`, `+1`, `0b1`, `0o7`, additional escapes) and less (it requires
UTF-8 in comments and no space after a minus sign). So the text is first tokenized by the rules of
`google/protobuf/io/tokenizer.cc`, and Python parses the same tokens in ASCII.
"""

from __future__ import annotations

import re

from google.protobuf import text_format
from google.protobuf.message import Message

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
    """The text is rejected as by the C++ parser; line and column count from 1, columns in bytes."""

    def __init__(self, line: int, column: int, reason: str) -> None:
        super().__init__(f"{line}:{column}: {reason}")
        self.line = line
        self.column = column
        self.reason = reason


def parse(data: bytes, message: Message) -> Message:
    """Fill a message from text and return it. Raises TextSyntaxError."""
    try:
        return text_format.Parse(plain(data), message)
    except text_format.ParseError as error:
        reason = re.sub(r"^\d+:\d+ : ", "", str(error))
        raise TextSyntaxError(error.GetLine() or 1, error.GetColumn() or 1, reason) from error


def plain(data: bytes) -> str:
    """Return the same tokens in ASCII, on the same lines, without comments. Raises TextSyntaxError."""
    text = data.decode("latin-1")  # one character per byte
    written: list[str] = []
    position, sign, end = 0, "", len(text)
    while position < end:
        match = _TOKEN.match(text, position)
        if match is None:
            raise _error(text, position, _reason(text, position))
        kind, lexeme = match.lastgroup, match[0]
        position = match.end()
        if kind == "number" and position < end and re.match(r"[0-9A-Za-z_.]", text[position]):
            raise _error(text, position, _after_number_reason(text[position]))
        if kind == "blank":
            written.append(lexeme)
        elif lexeme == "-":
            written.append(sign)
            sign = lexeme
        elif kind != "comment":
            written += (sign, _ascii(lexeme) if kind == "string" else lexeme)
            sign = ""
    written.append(sign)
    return "".join(written)


def _ascii(token: str) -> str:
    """Return a quoted string unchanged, or with other bytes as octal escapes."""
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


def _error(text: str, position: int, reason: str) -> TextSyntaxError:
    before = text[:position]
    return TextSyntaxError(before.count("\n") + 1, position - (before.rfind("\n") + 1) + 1, reason)


def _reason(text: str, position: int) -> str:
    character = text[position]
    if string_start := _STRING_BEGUN.match(text, position):
        following = text[string_start.end() : string_start.end() + 1]
        if following == "\\":
            return f"invalid escape sequence {text[string_start.end() : string_start.end() + 2]!r} in a string"
        return "a string has no end on its line" if following in ("", "\n") else "a string holds a NUL byte"
    if ord(character) >= 0x80:
        return f"byte 0x{ord(character):02x} is not ASCII: outside of strings and comments nothing else is allowed"
    if ord(character) < 0x20:
        return f"control character 0x{ord(character):02x}"
    return f"unexpected {character!r}; a number has no plus sign" if character == "+" else f"unexpected {character!r}"


def _after_number_reason(character: str) -> str:
    if character == ".":
        return "a number has a second decimal point, or one behind hexadecimal or octal digits"
    if character.isdigit():
        return "a number that begins with 0 must be octal"
    return "a number and a name need a blank between them; there are no 0b, 0o and _ in numbers"
