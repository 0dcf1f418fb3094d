"""The times of log lines, which servers write at the start of most lines."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from datetime import datetime, timezone

from deployer.results.logs import LogLine

STAMP = re.compile(r"(\d{4}-\d\d-\d\d \d\d:\d\d:\d\d\.\d{3,6}): ")
"""The time in TensorFlow's format, in the time zone of the machine."""


def timed(lines: Iterable[str], since: float | None) -> Iterator[LogLine]:
    """Yield lines with their times, without those before `since`.

    A line without a time is as old as the one before it, and the first lines are as old as the first with a time.
    """
    shown = since is None
    early: list[LogLine] | None = []
    for text in lines:
        time = _time(text)
        line = LogLine(text, None if time is None else f"{time:%Y-%m-%dT%H:%M:%S.%fZ}")
        if time is not None and since is not None:
            shown = time.timestamp() >= since
            yield from early if shown and early else ()
            early = None
        if shown:
            yield line
        elif early is not None:
            early.append(line)


def _time(text: str) -> datetime | None:
    match = STAMP.match(text)
    if match is None:
        return None
    try:
        return datetime.fromisoformat(match[1].ljust(26, "0")).astimezone(timezone.utc)
    except (ValueError, OverflowError, OSError):  # it only looks like a time
        return None
