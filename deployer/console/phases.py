"""Shows what a command is doing, on stderr: live lines on a terminal, plain lines elsewhere, or JSON Lines."""

from __future__ import annotations

import atexit
import json
import sys
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Protocol

from deployer.console import terminal
from deployer.console.terminal import BOLD, GREEN, RED, colored
from deployer.results.progress import DONE, Event, Note, Phase

if TYPE_CHECKING:
    from rich.live import Live
    from rich.spinner import Spinner
    from rich.table import Table

PERCENT_STEP = 5
ANIMATION_SECONDS = 0.3
"""After this time the line of a phase begins to move. A short phase costs no animation."""
BAR_WIDTH = 20
DONE_MARK, FAILED_MARK = "✓", "✗"


class Display(Protocol):
    """Shows the events of one command."""

    def show(self, event: Event) -> None:
        """Show a phase that begins or goes on, or a note."""

    def end(self, *, failed: bool = False) -> None:
        """End the phase that is shown. Something else may be printed then."""


@dataclass
class PlainDisplay:
    """A line for each phase, and for every fifth percent of it."""

    _last: Phase | None = None

    def show(self, event: Event) -> None:
        """Print the event, unless a phase has hardly come further."""
        last = self._last
        if isinstance(event, Phase):
            if last is not None and last.action == event.action and not _is_further(last, event):
                return
            self._last = event
        terminal.write(f"… {event}" if isinstance(event, Phase) else note_text(event.text), sys.stderr)

    def end(self, *, failed: bool = False) -> None:
        """Do nothing: each line is complete."""


@dataclass
class JsonDisplay:
    """An object for each event, with the seconds since the start of the command."""

    _began: float = field(default_factory=time.monotonic)

    def show(self, event: Event) -> None:
        """Print the event as a line of JSON."""
        seconds = round(time.monotonic() - self._began, 3)
        if isinstance(event, Note):
            row: dict[str, object] = {"event": "note", "seconds": seconds, "text": event.text}
        else:
            row = {"event": "phase", "seconds": seconds, "action": event.action}
            row |= {name: value for name in ("percent", "size") if (value := getattr(event, name)) is not None}
        print(json.dumps(row), file=sys.stderr, flush=True)

    def end(self, *, failed: bool = False) -> None:
        """Do nothing: each line is complete."""


@dataclass
class LiveDisplay:
    """One line that moves for the phase under way, and a line with its time for each that has ended."""

    _line: _LiveLine | None = None

    def show(self, event: Event) -> None:
        """Show a new phase in a line of its own, another percentage in the same line, and a note above it."""
        if isinstance(event, Note):
            self._above(note_text(event.text))
        elif self._line is not None and self._line.phase.action == event.action:
            self._line.phase = event
        else:
            self.end()
            self._line = _LiveLine(event)

    def _above(self, text: str) -> None:
        line = self._line
        if line is not None:
            line.erase()
        terminal.write(text, sys.stderr)
        if line is not None:
            line.animate_later(0)

    def end(self, *, failed: bool = False) -> None:
        """Replace the line that moves by one that stays."""
        line, self._line = self._line, None
        if line is not None:
            line.erase()
            mark = colored(FAILED_MARK, RED) if failed else colored(DONE_MARK, GREEN)
            action = terminal.cut(terminal.printable(line.phase.action), len(line.elapsed) + 4)
            terminal.write(f"{mark} {action}  {line.elapsed}", sys.stderr)


@dataclass
class _LiveLine:
    phase: Phase
    _began: float = field(default_factory=time.monotonic)
    _lock: threading.Lock = field(default_factory=threading.Lock)
    _timer: threading.Timer | None = None
    _live: Live | None = None

    def __post_init__(self) -> None:
        self.animate_later(ANIMATION_SECONDS)

    @property
    def elapsed(self) -> str:
        return f"{time.monotonic() - self._began:.1f} s"

    def animate_later(self, seconds: float) -> None:
        self._timer = threading.Timer(seconds, self._animate)
        self._timer.daemon = True
        self._timer.start()

    def _animate(self) -> None:
        # Rich takes a tenth of a second to import: here, while the command does its work.
        from rich.console import Console
        from rich.live import Live
        from rich.spinner import Spinner

        with self._lock:
            if self._timer is not threading.current_thread():
                return
            console, spinner = Console(stderr=True), Spinner("dots")
            self._live = Live(
                get_renderable=lambda: self._rendered(spinner),
                console=console,
                transient=True,
                redirect_stdout=False,
                redirect_stderr=False,
            )
            self._live.start(refresh=True)
            console.show_cursor()  # the command may be killed before it could show it again

    def _rendered(self, spinner: Spinner) -> Table:
        from rich.progress_bar import ProgressBar
        from rich.table import Table
        from rich.text import Text

        row = Table.grid(padding=(0, 1))
        percent = self.phase.percent
        action = Text(terminal.printable(str(self.phase)), no_wrap=True, overflow="ellipsis")
        elapsed = Text(self.elapsed, no_wrap=True)
        bar = () if percent is None else (ProgressBar(DONE, percent, width=BAR_WIDTH),)
        row.add_row(spinner, action, *bar, elapsed)
        return row

    def erase(self) -> None:
        """Stop the line from moving, and remove it from the terminal."""
        with self._lock:
            timer, self._timer = self._timer, None
            live, self._live = self._live, None
        if timer is not None:
            timer.cancel()
        if live is not None:
            with suppress(OSError, ValueError):  # the terminal may be closed
                live.stop()


def note_text(text: str) -> str:
    """Return a note as a line."""
    return f"{colored('note:', BOLD)} {text}"


def _is_further(last: Phase, now: Phase) -> bool:
    return now.percent is None or now.percent >= (last.percent or 0) + PERCENT_STEP or now.percent == DONE


FORMATS: dict[str, Callable[[], Display]] = {
    "auto": lambda: LiveDisplay() if terminal.is_live() else PlainDisplay(),
    "plain": PlainDisplay,
    "json": JsonDisplay,
}
_displays: dict[str, Display] = {}
"""The displays of this process, by their format: one for a command."""


def show(event: Event, form: str = "auto") -> None:
    """Show an event."""
    if form not in _displays:
        _displays[form] = FORMATS[form]()
        atexit.register(_displays[form].end)
    _displays[form].show(event)


def end(*, failed: bool = False) -> None:
    """End the phase that is shown, since something else is printed."""
    for display in _displays.values():
        display.end(failed=failed)
