"""Lines on stdout and stderr: data, tables, progress, notes and errors."""

from __future__ import annotations

import shutil
import sys
from collections.abc import Sequence
from typing import TYPE_CHECKING

from deployer.console import phases, terminal
from deployer.console.terminal import BOLD, RED, colored, printable
from deployer.errors import DeployerError

if TYPE_CHECKING:
    from deployer.results.logs import LogLine

NARROWEST_CELL = 4


def out(text: str) -> None:
    """Print a line of data, to stdout."""
    phases.end()
    terminal.write(text, sys.stdout)


def paragraphs(text: str, color: str = "") -> None:
    """Print lines of prose to stdout; on a terminal, those that are too long are wrapped between words."""
    wrapped = terminal.wrap(text, sys.stdout)
    out(colored(wrapped, color) if color else wrapped)


def show_log_line(line: LogLine) -> None:
    """Print a line of a log: as it is, unless on a terminal that it would control."""
    if sys.stdout.isatty():
        out(printable(line.text))
    else:
        print(line.text, flush=True)


def table(rows: Sequence[tuple[str, ...]]) -> None:
    """Print rows as a table with aligned columns, to stdout. On a terminal, its widest cells are cut until it fits."""
    rows = [tuple(map(printable, row)) for row in rows]
    widths = _widths(rows)
    while not _fits(widths) and max(widths) > NARROWEST_CELL:
        widths[widths.index(max(widths))] -= 1
    for row in rows:
        out("  ".join(_cut(cell, width).ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip())


def fits(rows: Sequence[tuple[str, ...]]) -> bool:
    """Return whether a table needs no cut cells."""
    return _fits(_widths(rows))


def _widths(rows: Sequence[tuple[str, ...]]) -> list[int]:
    return [max(map(len, column)) for column in zip(*rows, strict=True)]


def _fits(widths: Sequence[int]) -> bool:
    return not sys.stdout.isatty() or sum(widths) + 2 * (len(widths) - 1) <= shutil.get_terminal_size().columns


def _cut(cell: str, width: int) -> str:
    return cell if len(cell) <= width else f"{cell[: width - 1]}…"


def show_notices(notices: Sequence[str]) -> None:
    """Print the notices of a result as notes."""
    for notice in notices:
        note(notice)


def note(text: str) -> None:
    """Print a note, to stderr."""
    phases.end()
    terminal.write(phases.note_text(text), sys.stderr)


def error(failure: DeployerError) -> None:
    """Print an error to stderr: its notices, its message, lines of the server's log, the hint, and what serves."""
    phases.end(failed=True)
    show_notices(failure.notices)
    message = "\n".join(map(printable, failure.message.split("\n")))
    text = terminal.wrap(f"error: {message}", sys.stderr)
    terminal.write(f"{colored('error:', RED)}{text.removeprefix('error:')}", sys.stderr)
    for line in failure.log:
        terminal.write(f"  | {printable(line)}", sys.stderr)
    if failure.hint:
        terminal.write(f"{colored('hint:', BOLD)} {failure.hint}", sys.stderr)
    if failure.serving:
        note(failure.serving)


def bug(failure: DeployerError) -> None:
    """Print to stderr that deployer has a bug."""
    phases.end(failed=True)
    terminal.write(f"{colored('bug:', RED)} {failure.message}", sys.stderr)
