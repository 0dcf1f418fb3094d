"""Times as people type and read them."""

from __future__ import annotations

from datetime import datetime, timedelta, timezone

import pytest

from deployer.system import times

NOW = datetime(2026, 11, 30, 12, 0, tzinfo=timezone.utc)


@pytest.mark.parametrize(
    ("text", "before"),
    [
        ("10m", timedelta(minutes=10)),
        ("1h30m", timedelta(hours=1, minutes=30)),
        ("45s", timedelta(seconds=45)),
        ("2d", timedelta(days=2)),
        (" 0s ", timedelta()),
        ("2026-11-30T11:59Z", timedelta(minutes=1)),
        ("2026-11-30T12:00:00+02:00", timedelta(hours=2)),
    ],
)
def test_a_time_is_typed_as_an_age_or_as_a_date(text, before):
    assert times.parse(text, NOW) == NOW - before


def test_a_date_without_a_zone_is_in_the_zone_of_the_machine():
    assert times.parse("2026-11-30T12:00", NOW) == datetime(2026, 11, 30, 12, 0).astimezone()
    assert times.parse("2026-11-30", NOW) == datetime(2026, 11, 30).astimezone()


@pytest.mark.parametrize(
    "text",
    ["", "m", "10", "10 m", "yesterday", "-5m", "1m1h", "999999d", "2026-13-01", "\u0661m"],
)
def test_anything_else_is_no_time(text):
    assert times.parse(text, NOW) is None


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (0, "just now"), (-5, "just now"), (1, "1 second ago"), (59.9, "59 seconds ago"), (60, "1 minute ago"),
        (180, "3 minutes ago"), (3600, "1 hour ago"), (86_400 * 2, "2 days ago"), (86_400 * 29, "29 days ago"),
        (86_400 * 31, "1 month ago"), (86_400 * 800, "2 years ago"),
    ],
)  # fmt: skip
def test_an_age_has_one_unit(seconds, text):
    assert times.age((NOW - timedelta(seconds=seconds)).isoformat(), NOW) == text


@pytest.mark.parametrize("text", ["", "now", "-", "10m", "2026-99-99T00:00:00Z"])
def test_a_text_that_is_no_time_stays(text):
    assert times.age(text, NOW) == text


def test_nanoseconds_are_read():
    assert times.age("2026-11-30T11:57:00.123456789Z", NOW) == "2 minutes ago"
