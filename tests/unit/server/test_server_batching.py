"""Batches: which tasks go together, when, and on whose thread."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.batches import task

from deployer.server.batching.arrays import join_slices
from deployer.server.batching.config import BatchRules
from deployer.server.batching.queue import NOW, BatchQueue, Task, collect
from deployer.server.batching.scheduler import BatchScheduler
from deployer.server.status import Code, ServingError

PATIENCE = 60.0


def never(_batch: list[Task]) -> None:
    raise AssertionError("nobody runs this queue")


def waiting(**rules: object) -> BatchQueue:
    return BatchQueue(BatchRules(**({"max_execution_size": rules.get("max_batch_size", 4)} | rules)), never)  # type: ignore[arg-type]


def sizes(batch: list[Task] | None) -> list[int] | None:
    return None if batch is None else [each.size for each in batch]


def test_tasks_gather_until_the_batch_is_full() -> None:
    queue = waiting(max_batch_size=4, timeout_seconds=10.0)
    for _ in range(3):
        queue.add(task(1), now=0.0)
    assert (queue.due(), queue.take(now=9.9)) == (10.0, None)
    queue.add(task(1), now=5.0)
    assert queue.due() == NOW
    assert sizes(queue.take(now=5.0)) == [1, 1, 1, 1]
    assert (queue.due(), queue.take(now=99.0)) == (None, None)


def test_a_batch_that_is_not_full_goes_when_its_first_task_has_waited_long_enough() -> None:
    queue = waiting(max_batch_size=4, timeout_seconds=10.0)
    queue.add(task(1, 2), now=1.0)
    queue.add(task(3), now=8.0)
    assert (queue.due(), queue.take(now=10.9)) == (11.0, None)
    assert sizes(queue.take(now=11.0)) == [2, 1]


def test_a_task_that_does_not_fit_begins_the_next_batch() -> None:
    queue = waiting(max_batch_size=4, timeout_seconds=10.0)
    queue.add(task(1, 2, 3), now=0.0)
    queue.add(task(4, 5), now=0.0)
    assert sizes(queue.take(now=0.0)) == [3]
    assert queue.take(now=0.0) is None
    assert sizes(queue.take(now=10.0)) == [2]


def test_a_full_queue_and_a_task_that_is_too_large_are_refused() -> None:
    queue = waiting(max_batch_size=2, max_enqueued_batches=2, timeout_seconds=10.0)
    for _ in range(4):
        queue.add(task(1), now=0.0)
    with pytest.raises(ServingError) as full:
        queue.add(task(1), now=0.0)
    assert (full.value.code, full.value.message) == (
        Code.UNAVAILABLE,
        "The batch scheduling queue to which this task was submitted is full; currently 2 batches enqueued and "
        "max_enqueued_batches is 2",
    )
    with pytest.raises(ServingError) as large:
        queue.add(task(1, 2, 3), now=0.0)
    assert (large.value.code, large.value.message) == (
        Code.INVALID_ARGUMENT,
        "Task size 3 is larger than maximum input batch size 2",
    )
    assert sizes(queue.take(now=0.0)) == [1, 1]
    queue.add(task(1), now=0.0)


def test_a_large_task_is_cut_to_fill_what_is_open() -> None:
    queue = waiting(max_batch_size=100, splits=True, max_execution_size=4, timeout_seconds=10.0)
    queue.add(task(0), now=0.0)
    large = task(*range(1, 10))
    assert queue.add(large, now=0.0) == 3
    first, second, third = queue.take(now=0.0), queue.take(now=0.0), queue.take(now=10.0)
    assert (sizes(first), sizes(second), sizes(third)) == ([1, 3], [4], [2])
    assert first is not None
    assert first[1].feeds["x"].tolist() == [1, 2, 3]
    assert third is not None
    assert (third[0].slice_index, third[0].feeds["x"].tolist()) == (2, [8, 9])


def test_a_task_that_is_cut_needs_room_for_all_of_it() -> None:
    queue = waiting(max_batch_size=100, splits=True, max_execution_size=4, max_enqueued_batches=2, timeout_seconds=10.0)
    queue.add(task(1), now=0.0)
    with pytest.raises(ServingError) as full:
        queue.add(task(*range(8)), now=0.0)
    assert (full.value.code, full.value.message) == (
        Code.UNAVAILABLE,
        "The batch scheduling queue to which this task was submitted is full; task size is 8 but scheduling capacity "
        "is only 7 (num_enqueued_batches=1, max_enqueued_batches=2, open_batch_size=1, max_execution_batch_size=4)",
    )
    assert queue.add(task(*range(7)), now=0.0) == 2


@given(st.lists(st.integers(0, 12), min_size=1, max_size=20), st.integers(1, 5), st.booleans(), st.lists(st.booleans()))
def test_no_row_is_lost_or_doubled_and_no_batch_is_too_large(
    asked: list[int], limit: int, splits: bool, takes: list[bool]
) -> None:
    rules = BatchRules(12, 0.0, 1000, splits, limit if splits else 12)
    queue = BatchQueue(rules, never)
    tasks, batches = [], []
    for number, size in enumerate(asked):
        tasks.append(Task({"x": np.full(size, number, np.float32)}, size))
        queue.add(tasks[-1], now=0.0)
        if takes and takes[number % len(takes)]:
            batches.append(queue.take(now=0.0))
    while (batch := queue.take(now=0.0)) is not None:
        batches.append(batch)
    assert all(sum(each.size for each in batch or ()) <= rules.max_execution_size for batch in batches)
    came = [value for batch in batches for each in batch or () for value in each.feeds["x"].tolist()]
    assert came == [number for number, size in enumerate(asked) for _ in range(size)]


def until(condition: Callable[[], bool]) -> None:
    end = time.monotonic() + PATIENCE
    while not condition():
        assert time.monotonic() < end
        threading.Event().wait(0.001)


class Runner:
    """Doubles what it is given, once it may, and remembers the sizes of the tasks of every batch."""

    def __init__(self, name: str = "", seen: list[tuple[str, list[int]]] | None = None) -> None:
        self.name = name
        self.seen = [] if seen is None else seen
        self.may_end = threading.Event()

    def __call__(self, batch: list[Task]) -> None:
        self.seen.append((self.name, [each.size for each in batch]))
        assert self.may_end.wait(PATIENCE)
        for each in batch:
            each.answer([each.feeds["x"] * 2])

    def wait_until_it_runs(self, batches: int = 1) -> None:
        until(lambda: len(self.seen) >= batches)


CALLERS = ThreadPoolExecutor(8)


def submit(scheduler: BatchScheduler, queue: BatchQueue, *values: float) -> Callable[[], list[float]]:
    """Have a thread submit a task, and return when it did: it is back, or runs a batch."""
    wanted, before = task(*values), len(queue.process.seen)
    slices = CALLERS.submit(scheduler.submit, queue, wanted)
    until(lambda: slices.done() or len(queue.process.seen) > before)

    def answer() -> list[float]:
        return list(join_slices(collect(wanted.answers, slices.result(PATIENCE)))[0])

    return answer


def test_concurrent_tasks_are_run_in_one_batch() -> None:
    runner = Runner()
    runner.may_end.set()
    queue = BatchQueue(BatchRules(4, 3600.0, max_execution_size=4), runner)
    scheduler = BatchScheduler(2)
    answers = [submit(scheduler, queue, value) for value in range(4)]
    assert [answer() for answer in answers] == [[0], [2], [4], [6]]
    assert runner.seen == [("", [1, 1, 1, 1])]


def test_while_one_batch_runs_the_next_one_gathers() -> None:
    runner = Runner()
    queue = BatchQueue(BatchRules(8, max_execution_size=8), runner)
    scheduler = BatchScheduler(1)
    first = submit(scheduler, queue, 1)
    runner.wait_until_it_runs()
    rest = [submit(scheduler, queue, value) for value in (2, 3, 4)]
    runner.may_end.set()
    assert [answer() for answer in (first, *rest)] == [[2], [4], [6], [8]]
    assert runner.seen == [("", [1]), ("", [1, 1, 1])]


def test_a_batch_that_may_run_at_once_runs_on_the_thread_of_its_caller() -> None:
    threads: list[str] = []

    def process(batch: list[Task]) -> None:
        threads.append(threading.current_thread().name)
        for each in batch:
            each.answer([each.feeds["x"]])

    scheduler = BatchScheduler(1)
    at_once, full = (BatchQueue(BatchRules(2, wait, max_execution_size=2), process) for wait in (0.0, 3600.0))
    for queue in (at_once, full, full):
        assert scheduler.has_room()
        scheduler.submit(queue, task(1))
    assert threads == [threading.current_thread().name] * 2


def test_who_runs_a_batch_of_its_own_takes_a_place_and_passes_nobody_who_waits() -> None:
    runner = Runner()
    runner.may_end.set()
    queue, gathering = BatchQueue(BatchRules(2), runner), BatchQueue(BatchRules(2, 3600.0), runner)
    scheduler = BatchScheduler(1)
    assert scheduler.try_enter(queue)
    assert not scheduler.has_room()
    assert not scheduler.try_enter(queue)
    waits = submit(scheduler, queue, 1)
    assert runner.seen == []
    scheduler.leave()
    assert waits() == [2]
    until(scheduler.has_room)
    submit(scheduler, gathering, 1)
    assert not scheduler.try_enter(gathering)


@pytest.mark.parametrize("threads", [1, 2])
@pytest.mark.parametrize("seconds", [0.0, 0.0005])
def test_whoever_runs_them_every_task_is_answered(threads: int, seconds: float) -> None:
    runner = Runner()
    runner.may_end.set()
    queues = [BatchQueue(BatchRules(3, seconds, 1000, max_execution_size=3), runner) for _ in range(2)]
    scheduler = BatchScheduler(threads)

    def ask(value: float) -> float:
        wanted = task(value)
        slices = scheduler.submit(queues[int(value) % 2], wanted)
        return float(join_slices(collect(wanted.answers, slices))[0][0])

    with ThreadPoolExecutor(8) as clients:
        assert list(clients.map(ask, map(float, range(1000)))) == [value * 2.0 for value in range(1000)]
    assert sum(size for _, batch in runner.seen for size in batch) == 1000
    assert scheduler.has_room()


def test_queues_take_turns() -> None:
    seen: list[tuple[str, list[int]]] = []
    busy, idle = Runner("busy", seen), Runner("idle", seen)
    idle.may_end.set()
    one, other = (BatchQueue(BatchRules(1, max_execution_size=1), runner) for runner in (busy, idle))
    scheduler = BatchScheduler(1)
    answers = [submit(scheduler, one, 0)]
    busy.wait_until_it_runs()
    answers += [submit(scheduler, queue, 0) for queue in (one, one, one, other, other)]
    busy.may_end.set()
    assert [answer() for answer in answers] == [[0]] * 6
    assert [name for name, _ in seen] == ["busy", "busy", "idle", "busy", "idle", "busy"]


def test_as_many_batches_run_at_once_as_there_are_threads() -> None:
    runner = Runner()
    queue = BatchQueue(BatchRules(1, max_execution_size=1), runner)
    scheduler = BatchScheduler(2)
    answers = [submit(scheduler, queue, value) for value in range(4)]
    runner.wait_until_it_runs(batches=2)
    assert queue.due() == NOW
    runner.may_end.set()
    assert [answer() for answer in answers] == [[0], [2], [4], [6]]


def test_a_task_that_is_cut_gets_its_answer_whole() -> None:
    runner = Runner()
    runner.may_end.set()
    queue = BatchQueue(BatchRules(100, splits=True, max_execution_size=4), runner)
    assert submit(BatchScheduler(2), queue, *range(10))() == [value * 2 for value in range(10)]
    assert sorted(size for _, batch in runner.seen for size in batch) == [2, 4, 4]


def test_an_error_of_a_slice_is_the_error_of_the_task() -> None:
    whole = task(1, 2)
    first, second = whole.slices([1, 1])
    second.answer(ServingError(Code.ABORTED, "no"))
    first.answer([np.zeros(1)])
    with pytest.raises(ServingError, match="ABORTED: no"):
        collect(whole.answers, 2)
