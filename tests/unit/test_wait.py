"""Waiting: three values, one deadline."""

from __future__ import annotations

import pytest

from deployer.errors import NotReady
from deployer.wait import Deadline, Observation, Readiness, until, until_ready


def test_it_looks_until_ready():
    looks = iter([Observation(Readiness.NOT_READY), Observation(Readiness.NOT_READY), Observation(Readiness.READY)])
    until_ready(lambda: next(looks), Deadline.after(30), "it")
    assert list(looks) == []


def test_never_ends_at_once_with_the_reason():
    with pytest.raises(NotReady, match="m will not become ready: it burnt"):
        until_ready(lambda: Observation(Readiness.UNAVAILABLE, "it burnt"), Deadline.after(1000), "m")


def test_the_deadline_ends_it_with_the_last_reason():
    with pytest.raises(NotReady, match=r"m was not ready within 0\.05 s: loading"):
        until_ready(lambda: Observation(Readiness.NOT_READY, "loading"), Deadline.after(0.05), "m")


def test_until_says_whether_it_came_true():
    assert until(lambda: True, Deadline.after(0))
    assert not until(lambda: False, Deadline.after(0.03))


def test_a_deadline_never_has_less_than_nothing_left():
    assert Deadline.after(-1).passed
    assert Deadline.after(-1).remaining == 0.0
