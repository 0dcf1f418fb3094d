"""Lines on stdout and stderr: data, tables, progress, notes and errors."""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from pathlib import Path

from deployer.errors import DeployerError

GREEN, RED, BOLD, PLAIN = "\033[32m", "\033[31m", "\033[1m", "\033[0m"


def progress(text: str) -> None:
    """Print a step that has begun, to stderr."""
    print(f"… {text}", file=sys.stderr, flush=True)


def out(text: str) -> None:
    """Print a line of data, to stdout."""
    print(text, flush=True)


def table(rows: Sequence[tuple[str, ...]]) -> None:
    """Print rows as a table with aligned columns, to stdout."""
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    for row in rows:
        out("  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip())


def show_notices(notices: Sequence[str]) -> None:
    """Print the notices of a result as notes."""
    for notice in notices:
        note(notice)


def note(text: str) -> None:
    """Print a note, to stderr."""
    print(f"{colored('note:', BOLD)} {text}", file=sys.stderr)


def error(failure: DeployerError) -> None:
    """Print an error to stderr: its notices, its message, lines of the server's log, the hint, and what serves."""
    show_notices(failure.notices)
    print(f"{colored('error:', RED)} {failure.message}", file=sys.stderr)
    for line in failure.log:
        print(f"  | {line}", file=sys.stderr)
    if failure.hint:
        print(f"{colored('hint:', BOLD)} {failure.hint}", file=sys.stderr)
    if failure.serving:
        note(failure.serving)


def bug(report: Path) -> None:
    """Print that deployer has a bug, with the file of the traceback."""
    print(f"{colored('bug:', RED)} deployer failed unexpectedly; the traceback is in {report}", file=sys.stderr)


def colored(text: str, color: str) -> str:
    """Return the text in a colour where both streams are terminals and NO_COLOR is not set."""
    if os.environ.get("NO_COLOR") or not sys.stdout.isatty() or not sys.stderr.isatty():
        return text
    return f"{color}{text}{PLAIN}"
