"""Waiting: three values, one deadline."""

from __future__ import annotations

import threading
from itertools import count

import pytest

from deployer.errors import NotReady
from deployer.system.wait import (
    Deadline,
    Observation,
    Readiness,
    items_until,
    items_while,
    wait_until,
    wait_until_ready,
)


def test_it_looks_until_ready():
    looks = iter([Observation(Readiness.NOT_READY), Observation(Readiness.NOT_READY), Observation(Readiness.READY)])
    wait_until_ready(lambda: next(looks), Deadline.after(30), "it")
    assert list(looks) == []


def test_never_ends_at_once_with_the_reason():
    with pytest.raises(NotReady, match="m will not become ready: it burnt"):
        wait_until_ready(lambda: Observation(Readiness.FAILED, "it burnt"), Deadline.after(1000), "m")


def test_the_deadline_ends_it_with_the_last_reason():
    with pytest.raises(NotReady, match=r"m was not ready within 0\.05 s: loading"):
        wait_until_ready(lambda: Observation(Readiness.NOT_READY, "loading"), Deadline.after(0.05), "m")


def test_until_says_whether_it_came_true():
    assert wait_until(lambda: True, Deadline.after(0))
    assert not wait_until(lambda: False, Deadline.after(0.03))


def test_a_deadline_never_has_less_than_nothing_left():
    assert Deadline.after(-1).passed
    assert Deadline.after(-1).remaining == 0.0


def test_items_come_in_their_order_until_there_are_no_more():
    assert list(items_until(Deadline.after(30), lambda: range(1000))) == list(range(1000))


def test_what_fails_while_items_are_got_fails_where_they_are_read():
    def items():
        yield 1
        raise LookupError("no more")

    got = items_until(Deadline.after(30), items)
    assert next(got) == 1
    with pytest.raises(LookupError, match="no more"):
        next(got)


def test_the_deadline_holds_while_no_item_comes():
    never = threading.Event()
    with pytest.raises(TimeoutError, match=r"0\.05 s"):
        list(items_until(Deadline.after(0.05), lambda: iter(never.wait, None)))
    never.set()


def test_the_deadline_holds_while_items_never_end():
    with pytest.raises(TimeoutError):
        for _ in items_until(Deadline.after(0.05), count):
            pass


def test_nobody_goes_on_getting_items_that_nobody_reads():
    asked = []

    def items():
        while True:
            asked.append(threading.current_thread())
            yield None

    got = items_until(Deadline.after(30), items)
    next(got)
    got.close()
    asked[0].join(60)
    assert not asked[0].is_alive()


def test_items_that_never_end_are_read_while_something_goes_on():
    never, asked = threading.Event(), iter((True, True, False))

    def items():
        yield from (1, 2)
        never.wait()

    assert list(items_while(lambda: next(asked), 0.02, items)) == [1, 2]
    assert next(asked, None) is None
    never.set()


def test_items_that_end_are_not_waited_for():
    assert list(items_while(lambda: pytest.fail("asked"), 30, lambda: range(3))) == [0, 1, 2]
    with pytest.raises(ValueError, match="invalid literal"):
        list(items_while(lambda: True, 30, lambda: map(int, ["one"])))
