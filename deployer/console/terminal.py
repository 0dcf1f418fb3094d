"""What the terminal can show: lines without what would control it, colours, lines that change, and its width."""

from __future__ import annotations

import os
import re
import shutil
import sys
import textwrap
from typing import TextIO

GREEN, RED, BOLD, PLAIN = "\033[32m", "\033[31m", "\033[1m", "\033[0m"
NARROWEST = 20
CONTROL = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069]")
"""Characters that control a terminal or turn the direction of the text; line ends and tabs are not among them."""
OWN_OR_CONTROL = re.compile(rf"({'|'.join(map(re.escape, (GREEN, RED, BOLD, PLAIN)))})|{CONTROL.pattern}")
CONTROL_OR_NEWLINE = re.compile(rf"{CONTROL.pattern}|\n")


def write(text: str, stream: TextIO) -> None:
    """Print lines. Models, file names and answers of servers are in them: what would control a terminal is escaped."""
    print(OWN_OR_CONTROL.sub(lambda found: found[1] or _escape(found), text), file=stream, flush=True)


def printable(text: str) -> str:
    """Return one line with everything escaped that would control a terminal."""
    return CONTROL_OR_NEWLINE.sub(_escape, text)


def _escape(found: re.Match[str]) -> str:
    code = ord(found[0][0])
    return f"\\x{code:02x}" if code < 0x100 else f"\\u{code:04x}"


def colored(text: str, color: str) -> str:
    """Return the text in a colour where both streams are terminals, or FORCE_COLOR is set, and NO_COLOR is not."""
    return f"{color}{text}{PLAIN}" if _has_color() else text


def _has_color() -> bool:
    if os.environ.get("NO_COLOR"):
        return False
    if os.environ.get("FORCE_COLOR"):
        return True
    return os.environ.get("TERM") != "dumb" and sys.stdout.isatty() and sys.stderr.isatty()


def is_live() -> bool:
    """Return whether a line on stderr can change: on a terminal, unless NO_COLOR or TERM=dumb is set."""
    return sys.stderr.isatty() and not os.environ.get("NO_COLOR") and os.environ.get("TERM") != "dumb"


def cut(text: str, taken: int) -> str:
    """Return what fits on the line of a terminal where `taken` columns are used."""
    room = max(NARROWEST, shutil.get_terminal_size().columns - taken)
    return text if len(text) <= room else f"{text[: room - 1]}…"


def wrap(text: str, stream: TextIO) -> str:
    """Return prose with lines that fit the terminal: the rest of a long one is indented. Unchanged where none is."""
    if not stream.isatty():
        return text
    columns = max(NARROWEST, shutil.get_terminal_size().columns)
    return "\n".join(_wrapped(line, columns) for line in text.split("\n"))


def _wrapped(line: str, columns: int) -> str:
    indent = line[: len(line) - len(line.lstrip())]
    return textwrap.fill(
        line.lstrip(),
        columns,
        initial_indent=indent,
        subsequent_indent=f"{indent}    ",
        break_long_words=False,
        break_on_hyphens=False,
    )
