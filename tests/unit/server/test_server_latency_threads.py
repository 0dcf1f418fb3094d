"""A signature's pace is noted by every thread that answers: none may find the figures half taken by another."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest

from deployer.server.latency import LatencyTracker

CALLS = 3000
FAR_TOO_LONG, LONG = 0.06, 0.02


@pytest.fixture
def _eager_threads() -> Iterator[None]:
    usual = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    yield
    sys.setswitchinterval(usual)


@pytest.mark.usefixtures("_eager_threads")
def test_calls_of_many_threads_are_noted_one_after_the_other() -> None:
    pace = LatencyTracker(terminates=False)

    def record(number: int) -> None:
        for call in range(CALLS):
            pace.record_wall(FAR_TOO_LONG if (call + number) % 2 else LONG)

    with ThreadPoolExecutor(8) as threads:
        assert list(threads.map(record, range(8))) == [None] * 8
