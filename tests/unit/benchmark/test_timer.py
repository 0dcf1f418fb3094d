"""The timer fires once after each `set`, not before its time, and for a time that has passed at once."""

from __future__ import annotations

import asyncio
from time import perf_counter

from deployer.benchmark.timer import Timer


async def fired(*delays: float) -> list[float]:
    """How much later than they were set for the timer fired."""
    loop, late = asyncio.get_running_loop(), []
    for delay in delays:
        done = loop.create_future()
        timer = Timer(loop, lambda done=done: done.set_result(perf_counter()))
        due = perf_counter() + delay
        timer.set(due)
        late.append(await asyncio.wait_for(done, 60) - due)
        timer.close()
    return late


def test_it_fires_when_it_is_due_and_not_before():
    assert min(asyncio.run(fired(0.0003, 0.002, 0.05))) >= 0


def test_a_time_that_has_passed_fires_at_once():
    assert len(asyncio.run(fired(-1.0, -1e6, 0.0))) == 3


def test_the_last_time_that_was_set_counts():
    async def moved() -> int:
        loop, calls = asyncio.get_running_loop(), []
        timer = Timer(loop, lambda: calls.append(perf_counter()))
        timer.set(perf_counter() + 3600)
        due = perf_counter() + 0.01
        timer.set(due)
        while not calls:
            await asyncio.sleep(0)
        timer.close()
        assert calls[0] >= due
        return len(calls)

    assert asyncio.run(asyncio.wait_for(moved(), 60)) == 1
