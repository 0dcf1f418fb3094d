"""The two streams, line by line: data, progress, what went wrong."""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from pathlib import Path

from deployer.errors import DeployerError

GREEN, RED, BOLD, PLAIN = "\033[32m", "\033[31m", "\033[1m", "\033[0m"


def progress(text: str) -> None:
    """A step that has begun."""
    print(f"… {text}", file=sys.stderr, flush=True)


def out(text: str) -> None:
    """A line of data."""
    print(text, flush=True)


def table(rows: Sequence[tuple[str, ...]]) -> None:
    """Rows in columns as wide as their widest cell."""
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    for row in rows:
        out("  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip())


def show_notices(notices: Sequence[str]) -> None:
    """What was chosen, left out or found without being asked for: it is no data, and no progress either."""
    for notice in notices:
        note(notice)


def note(text: str) -> None:
    """One of them, as soon as it is known."""
    print(f"{colored('note:', BOLD)} {text}", file=sys.stderr)


def error(failure: DeployerError) -> None:
    """What failed, the server's last lines where they help, and the next thing to type; the notices come first."""
    show_notices(failure.notices)
    print(f"{colored('error:', RED)} {failure.message}", file=sys.stderr)
    for line in failure.log:
        print(f"  | {line}", file=sys.stderr)
    if failure.hint:
        print(f"{colored('hint:', BOLD)} {failure.hint}", file=sys.stderr)


def bug(report: Path) -> None:
    """An error of ours: one line on the screen, the rest in a file."""
    print(f"{colored('bug:', RED)} deployer failed unexpectedly; the traceback is in {report}", file=sys.stderr)


def colored(text: str, color: str) -> str:
    """In colour where a person reads both streams and has not asked for none."""
    if os.environ.get("NO_COLOR") or not sys.stdout.isatty() or not sys.stderr.isatty():
        return text
    return f"{color}{text}{PLAIN}"
