"""What an operation reports while it runs: the phase that it is in, and notes."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

DONE = 100


@dataclass(frozen=True)
class Phase:
    """A phase that has begun; where its end can be foreseen, how far it has come."""

    action: str
    percent: int | None = None
    size: int | None = None
    """Bytes in all."""

    def __str__(self) -> str:
        if self.percent is None:
            return self.action
        if self.size is None:
            return f"{self.action}: {self.percent} %"
        return f"{self.action}: {f'{self.percent} % of ' if self.percent else ''}{size_text(self.size)}"


@dataclass(frozen=True)
class Note:
    """What the user should know before the result comes."""

    text: str

    def __str__(self) -> str:
        return self.text


Event = Phase | Note
Progress = Callable[[Event], None]


def no_progress(_: Event) -> None:
    """Show nothing."""


@dataclass
class Meter:
    """Reports how far a phase has come, once for each percent."""

    action: str
    progress: Progress
    size: int | None = None
    _sent: int = field(default=0, init=False)
    _percent: int = field(default=0, init=False)

    def add(self, sent: int) -> None:
        """Report that so many more bytes of the size are done."""
        self.reach_bytes(self._sent + sent)

    def reach_bytes(self, sent: int) -> None:
        """Report that so many bytes of the size are done."""
        self._sent = sent
        self.reach(min(DONE, DONE * sent // max(self.size or 0, 1)))

    def reach(self, percent: int) -> None:
        """Report a percentage that is higher than the last one."""
        if percent > self._percent:
            self._percent = percent
            self.progress(Phase(self.action, percent, self.size))


def size_text(size: int) -> str:
    """Return a number of bytes in the unit that suits it."""
    for unit, shift in (("GiB", 30), ("MiB", 20), ("KiB", 10)):
        if size >= 1 << shift:
            return f"{size / (1 << shift):.1f} {unit}"
    return f"{size} bytes"
