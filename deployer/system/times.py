"""Times as people type and read them: `10m` ago, `3 minutes ago`."""

from __future__ import annotations

import re
from datetime import datetime, timedelta, timezone

AGE = re.compile(r"(?=[0-9])(?:([0-9]{1,6})d)?(?:([0-9]{1,6})h)?(?:([0-9]{1,6})m)?(?:([0-9]{1,9})s)?")
UNITS = ((365 * 86_400, "year"), (30 * 86_400, "month"), (86_400, "day"), (3600, "hour"), (60, "minute"))


def parse(text: str, now: datetime) -> datetime | None:
    """Return the time that `10m`, `1h30m`, `2026-11-30` or `2026-11-30T12:00` means; None for anything else.

    A time without a zone is in the time zone of this machine.
    """
    text = text.strip()
    try:
        if match := AGE.fullmatch(text):
            days, hours, minutes, seconds = (int(each or 0) for each in match.groups())
            return now - timedelta(days=days, hours=hours, minutes=minutes, seconds=seconds)
        return datetime.fromisoformat(re.sub(r"[Zz]$", "+00:00", text)).astimezone(timezone.utc)
    except (ValueError, OverflowError, OSError):
        return None


def age(written: str, now: datetime) -> str:
    """Return `3 minutes ago` for a time in RFC 3339; a text that is no time as it is."""
    seconds = _seconds_since(written, now)
    if seconds is None:
        return written
    for unit, name in UNITS:
        if seconds >= unit:
            number = int(seconds // unit)
            return f"{number} {name}{'' if number == 1 else 's'} ago"
    return "just now" if seconds < 1 else f"{int(seconds)} second{'' if int(seconds) == 1 else 's'} ago"


def _seconds_since(written: str, now: datetime) -> float | None:
    time = parse(re.sub(r"(\.\d{6})\d+", r"\1", written), now) if "-" in written else None
    return None if time is None else max(0.0, (now - time).total_seconds())
