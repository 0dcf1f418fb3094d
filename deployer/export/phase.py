"""The current phase of an export, so that a crash can be reported with the phase in which it happened."""

from __future__ import annotations

from collections.abc import Callable

LOADING = "loading"
TRACING = "tracing"
SAVING = "saving"
ASKING = "asking"
MEASURING = "measuring"


def _ignored(_phase: str) -> None:
    return None


_listeners: list[Callable[[str], None]] = [_ignored]


def enter(phase: str) -> None:
    """Report that a phase begins."""
    _listeners[-1](phase)


def listen(listener: Callable[[str], None]) -> None:
    """Report all further phases to `listener`."""
    _listeners.append(listener)
