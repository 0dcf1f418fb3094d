"""The text of a request: from a file, or from standard input where something is piped into the command."""

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


def read(file: Path | None) -> str | None:
    """Return the text of a file; without a file what is piped in, or None. Raises UsageError."""
    try:
        if file is not None and file != STDIN:
            return file.read_text(encoding="utf-8")
        return _read_stdin() if file == STDIN or _is_piped() else None
    except (OSError, UnicodeDecodeError) as error:
        raise UsageError(f"{file or STDIN} cannot be read: {error}") from error


def _is_piped() -> bool:
    """Return whether standard input is a pipe, a socket or a file, and not a terminal or `/dev/null`."""
    try:
        mode = os.fstat(sys.stdin.fileno()).st_mode
    except (OSError, ValueError, AttributeError):  # the process was started without standard input
        return False
    return stat.S_ISFIFO(mode) or stat.S_ISREG(mode) or stat.S_ISSOCK(mode)


def _read_stdin() -> str | None:
    if sys.stdin.isatty():
        return sys.stdin.read()
    if not select.select([sys.stdin], [], [], SECONDS)[0]:
        raise UsageError(f"standard input sent nothing for {SECONDS:g} s", hint=HINT)
    text = sys.stdin.read()
    return text if text.strip() else None
