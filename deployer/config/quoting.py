"""Strings as literals of the languages that templates write: a name or a path cannot become anything else there.

Each raises ValueError for text that its language cannot hold.
"""

from __future__ import annotations

import re
import shlex

YAML_ESCAPES = {'"': '\\"', "\\": "\\\\", "$": "$$"}
PLAIN = re.compile(r"[A-Za-z0-9_./ -]*")


def pbtxt(value: object) -> str:
    """Text proto: printable ASCII as it is, everything else as octal escapes of its UTF-8."""
    text = str(value)
    if PLAIN.fullmatch(text):
        return f'"{text}"'
    plain = (chr(byte) if 32 <= byte < 127 and chr(byte) not in "\"'\\" else f"\\{byte:03o}" for byte in text.encode())
    return f'"{"".join(plain)}"'


def yaml(value: object) -> str:
    """A YAML string in a Compose file, where a doubled `$` is one that names no variable."""
    text = _argument_text(value)
    return '"' + "".join(_escape_yaml(character) for character in text) + '"'


def _escape_yaml(character: str) -> str:
    if character in YAML_ESCAPES:
        return YAML_ESCAPES[character]
    return character if " " <= character <= "~" else f"\\U{ord(character):08x}"


def sh(value: object) -> str:
    """One word of a shell command."""
    return shlex.quote(_argument_text(value))


def _argument_text(value: object) -> str:
    """What a process can be given as an argument: UTF-8 without NUL."""
    text = str(value)
    if b"\0" in text.encode():
        raise ValueError(f"{text[:40]!r} holds a NUL character")
    return text


def haproxy(value: object) -> str:
    """One word of HAProxy's configuration, in which nothing is expanded. A line ends there, whatever is quoted."""
    text = _argument_text(value)
    if "\n" in text or "\r" in text:
        raise ValueError(f"{text[:40]!r} holds a line break")
    return "'" + text.replace("'", "'\\''") + "'"


def bracketed(host: object) -> str:
    """An address as it stands before a port: one of IPv6 in brackets."""
    text = str(host)
    return f"[{text}]" if ":" in text and not text.startswith("[") else text


FILTERS = {"pbtxt": pbtxt, "yaml": yaml, "sh": sh, "haproxy": haproxy, "bracketed": bracketed}
