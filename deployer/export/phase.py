"""What is being done with a model: a process that ends without a word is reported with the phase that it died in."""

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
    """Report the phase that begins."""
    _listeners[-1](phase)


def listen(listener: Callable[[str], None]) -> None:
    """Have every phase from now on reported to `listener`."""
    _listeners.append(listener)
