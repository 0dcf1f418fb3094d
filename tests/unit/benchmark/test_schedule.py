"""Requests are due at a fixed rate, and are divided among processes."""

from __future__ import annotations

import pytest

from deployer.benchmark.schedule import Schedule


def test_requests_are_due_one_interval_after_the_other():
    schedule = Schedule(100.0, 50.0)
    assert [schedule.due(number) for number in (0, 1, 50)] == pytest.approx([100.0, 100.02, 101.0])


@pytest.mark.parametrize(
    ("start", "end", "least", "due"),
    [(0.0, 1.0, 0, 100), (0.0, 1.0, 40, 60), (1.0, 2.0, 0, 100), (1.0, 2.0, 150, 50), (1.0, 2.0, 250, 0)],
)
def test_requests_that_are_due_in_a_time_are_counted(start, end, least, due):
    assert Schedule(0.0, 100.0).due_between(start, end, least) == due


@pytest.mark.parametrize("processes", [1, 2, 3, 7])
@pytest.mark.parametrize("least", [0, 13])
def test_processes_share_all_requests(processes, least):
    parts = [Schedule(5.0, 100.0, first, processes) for first in range(processes)]
    whole = Schedule(5.0, 100.0).due_between(5.5, 7.25, least)
    assert sum(part.due_between(5.5, 7.25, least) for part in parts) == whole


@pytest.mark.parametrize("first", [0, 1, 2])
def test_the_first_request_of_a_process_is_one_of_its_own(first):
    schedule = Schedule(0.0, 100.0, first, 3)
    number = schedule.first_due(1.0)
    assert number % 3 == first
    assert schedule.due(number) >= 1.0 > schedule.due(number - 3)
