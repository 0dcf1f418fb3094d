"""Filters that quote strings for the languages of the templates: a name or a path cannot become anything else.

Each filter raises ValueError for text that its language cannot hold.
"""

from __future__ import annotations

import json as json_text
import re
import shlex
from collections.abc import Callable

from deployer.config.interpolation import Reference, Secret

YAML_ESCAPES = {'"': '\\"', "\\": "\\\\", "$": "$$"}
PLAIN = re.compile(r"[A-Za-z0-9_./ -]*")


def pbtxt(value: object) -> str:
    """Return a string of text proto, with octal escapes of the UTF-8 of all but printable ASCII."""
    text = str(value)
    if PLAIN.fullmatch(text):
        return f'"{text}"'
    escaped = (
        chr(byte) if 32 <= byte < 127 and chr(byte) not in "\"'\\" else f"\\{byte:03o}" for byte in text.encode()
    )
    return f'"{"".join(escaped)}"'


def yaml(value: object) -> str:
    """Return a YAML string for a Compose file, where `$$` is a `$` that begins no variable.

    Compose looks up the variables of a Secret, and ends with an error for one that is not set.
    """
    text = _argument_text(value)
    pieces = value.pieces if isinstance(value, Secret) else (text,)
    texts = (_escape_yaml(piece) if isinstance(piece, str) else _variable(piece, _escape_yaml) for piece in pieces)
    return '"' + "".join(texts) + '"'


def _variable(reference: Reference, escape: Callable[[str], str]) -> str:
    """Return a variable as Compose and shells look it up, with an error for one that is not set."""
    if reference.operator:
        return f"${{{reference.name}{reference.operator}{escape(reference.default)}}}"
    return f"${{{reference.name}?the variable {reference.name} is not set}}"


def _escape_yaml(text: str) -> str:
    return "".join(map(_escape_yaml_character, text))


def _escape_yaml_character(character: str) -> str:
    if character in YAML_ESCAPES:
        return YAML_ESCAPES[character]
    return character if " " <= character <= "~" else f"\\U{ord(character):08x}"


def sh(value: object) -> str:
    """Return a word of a shell command. The shell looks up the variables of a Secret."""
    if not isinstance(value, Secret):
        return shlex.quote(_argument_text(value))
    return "".join(
        shlex.quote(_argument_text(piece)) if isinstance(piece, str) else f'"{_variable(piece, _escape_sh)}"'
        for piece in value.pieces
    )


def _escape_sh(text: str) -> str:
    """Return a text for double quotes of a shell."""
    return re.sub(r'([\\"$`])', r"\\\1", text)


def _argument_text(value: object) -> str:
    """Return the text of an argument of a process. Raises ValueError for NUL, and for text that is not UTF-8."""
    text = str(value)
    if b"\0" in text.encode():
        raise ValueError(f"{text[:40]!r} holds a NUL character")
    return text


def haproxy(value: object) -> str:
    """Return a word of HAProxy's configuration in which nothing is expanded."""
    text = _argument_text(value)
    if "\n" in text or "\r" in text:
        raise ValueError(f"{text[:40]!r} holds a line break")  # it ends the line also within quotes
    return "'" + text.replace("'", "'\\''") + "'"


def dockerfile(value: object) -> str:
    """Return a word of a Dockerfile in which no variable is expanded."""
    text = _argument_text(value)
    if "\n" in text or "\r" in text:
        raise ValueError(f"{text[:40]!r} holds a line break")  # it ends the instruction also within quotes
    return '"' + re.sub(r'(["\\$])', r"\\\1", text) + '"'


def json(value: object) -> str:
    """Return the arguments of an instruction of a Dockerfile as a JSON list on one line.

    COPY expands variables in them, so they may have none.
    """
    words = [_argument_text(each) for each in value] if isinstance(value, (list, tuple)) else None
    if words is None:
        raise ValueError(f"{value!r:.40} is no list of words")
    return json_text.dumps(words)


def bracketed(host: object) -> str:
    """Return an address for use before a port, with an IPv6 address in brackets."""
    text = str(host)
    return f"[{text}]" if ":" in text and not text.startswith("[") else text


FILTERS = {
    "pbtxt": pbtxt,
    "yaml": yaml,
    "sh": sh,
    "haproxy": haproxy,
    "dockerfile": dockerfile,
    "json": json,
    "bracketed": bracketed,
}
