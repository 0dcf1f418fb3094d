"""A request from a file, or from standard input where something is piped into the command."""

from __future__ import annotations

import os
import select
import stat
import sys
from pathlib import Path

from deployer.errors import UsageError

STDIN = Path("-")
SECONDS = 30.0
"""How long a pipe may stay silent. Some programs give a child a pipe that they never write to and never close."""
HINT = "--input JSON or --file FILE, or < /dev/null for the golden question"


def text(file: Path | None) -> str | None:
    """The file's text; without one what is piped in, or None. Raises UsageError."""
    try:
        if file is not None and file != STDIN:
            return file.read_text(encoding="utf-8")
        return _stdin() if file == STDIN or _is_piped() else None
    except (OSError, UnicodeDecodeError) as error:
        raise UsageError(f"{file or STDIN} cannot be read: {error}") from error


def _is_piped() -> bool:
    """Whether standard input is a pipe, a socket or a file: no terminal, and not `/dev/null`."""
    try:
        mode = os.fstat(sys.stdin.fileno()).st_mode
    except (OSError, ValueError, AttributeError):  # the process was started without it
        return False
    return stat.S_ISFIFO(mode) or stat.S_ISREG(mode) or stat.S_ISSOCK(mode)


def _stdin() -> str | None:
    """All of it; None where it ends at once."""
    if sys.stdin.isatty():
        return sys.stdin.read()
    if not select.select([sys.stdin], [], [], SECONDS)[0]:
        raise UsageError(f"standard input said nothing for {SECONDS:g} s", hint=HINT)
    found = sys.stdin.read()
    return found if found.strip() else None
