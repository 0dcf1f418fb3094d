"""Lines of a server's log."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class LogLine:
    """A line of a server's log."""

    text: str
    time: str | None = None
    """When it was written, in UTC (RFC 3339); None if the engine does not know it."""
