"""Batches: what the parameters mean, which tasks go together and when, how arrays are joined and cut."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
from google.protobuf import text_format
from hypothesis import given
from hypothesis import strategies as st

from deployer.server import batching_config, flags
from deployer.server.batch_arrays import joined_slices, merged, rows, split
from deployer.server.batch_queue import AT_ONCE, BatchQueue, Task, collected
from deployer.server.batch_scheduler import BatchScheduler
from deployer.server.batching_config import BatchingConfig, BatchRules
from deployer.server.declared import BATCHING, message_class
from deployer.server.status import Code, ServingError

PATIENCE = 20.0


def parsed(text: str) -> BatchRules:
    return batching_config.rules(text_format.Parse(text, message_class(BATCHING)()))


def task(*values: float) -> Task:
    return Task({"x": np.array(values, np.float32)}, len(values))


def never(_batch: list[Task]) -> None:
    raise AssertionError("nobody runs this queue")


def waiting(**rules: object) -> BatchQueue:
    return BatchQueue(BatchRules(**({"max_execution_size": rules.get("max_batch_size", 4)} | rules)), never)  # type: ignore[arg-type]


def sizes(batch: list[Task] | None) -> list[int] | None:
    return None if batch is None else [each.size for each in batch]


def test_without_parameters_the_defaults_are_those_of_the_shared_batch_scheduler() -> None:
    assert parsed("") == BatchRules(1000, 0.0, 10, False, 1000, (), False)


def test_every_parameter_is_read() -> None:
    text = (
        "max_batch_size { value: 32 } batch_timeout_micros { value: 1500 } max_enqueued_batches { value: 7 } "
        "enable_large_batch_splitting { value: true } max_execution_batch_size { value: 8 } "
        "allowed_batch_sizes: 8 allowed_batch_sizes: 32 pad_variable_length_inputs: true"
    )
    assert parsed(text) == BatchRules(32, 0.0015, 7, True, 8, (8, 32), True)


def test_what_tensorflow_serving_makes_of_odd_numbers() -> None:
    assert parsed("max_enqueued_batches { value: 0 }").max_enqueued_batches == 1
    assert parsed("max_batch_size { value: -1 }").max_batch_size == 2**64 - 1
    assert parsed("enable_large_batch_splitting { value: true }").max_execution_size == 0


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (
            "max_batch_size { value: 32 } allowed_batch_sizes: 8",
            "Last entry in allowed_batch_sizes must match max_batch_size; last entry was 8; expected 32",
        ),
        (
            "allowed_batch_sizes: 8",
            "Last entry in allowed_batch_sizes must match max_batch_size; last entry was 8; expected 1000",
        ),
        ("max_batch_size { value: 0 }", "input_batch_size_limit must be positive; was 0"),
        ("batch_timeout_micros { value: -1 }", "batch_timeout_micros must be non-negative; was -1"),
        (
            "max_enqueued_batches { value: 0 } enable_large_batch_splitting { value: true }",
            "max_enqueued_batches must be positive; was 0",
        ),
        (
            "max_batch_size { value: 4 } enable_large_batch_splitting { value: true } "
            "max_execution_batch_size { value: 8 }",
            "When enable_large_batch_splitting is true, input_batch_size_limit must be greater than or equal to "
            "max_execution_batch_size.148",
        ),
    ],
)
def test_parameters_that_contradict_each_other_are_refused(text: str, message: str) -> None:
    with pytest.raises(ServingError) as refused:
        parsed(text)
    assert (refused.value.code, refused.value.message) == (Code.INVALID_ARGUMENT, message)


def test_a_file_needs_the_switch_and_threads_need_a_number(tmp_path) -> None:
    file = tmp_path / "batching.config"
    file.write_text("num_batch_threads { value: 0 }")
    with pytest.raises(ServingError, match=r"without setting server_options\.enable_batching to true"):
        batching_config.from_options(flags.parse([f"--batching_parameters_file={file}"]))
    with pytest.raises(ServingError, match="num_batch_threads must be positive; was 0"):
        batching_config.from_options(flags.parse(["--enable_batching", f"--batching_parameters_file={file}"]))
    file.write_text("max_batch_size: 128")
    with pytest.raises(ServingError, match=f"INVALID_ARGUMENT: Invalid protobuf file: '{file}'"):
        batching_config.from_options(flags.parse(["--enable_batching", f"--batching_parameters_file={file}"]))
    assert batching_config.from_options(flags.parse([])) is None
    without_file = batching_config.from_options(flags.parse(["--enable_batching"]))
    assert without_file is not None
    assert without_file.thread_name == "model_server_batch_threads"


def test_a_version_may_bring_its_own_rules(tmp_path) -> None:
    common = text_format.Parse("max_batch_size { value: 5 }", message_class(BATCHING)())
    for everyone in (BatchingConfig(common), BatchingConfig(common, per_version=False)):
        rules = everyone.rules(str(tmp_path))
        assert rules is not None
        assert rules.max_batch_size == 5
    own = BatchingConfig(common, per_version=True)
    assert own.rules(str(tmp_path)) is None
    (tmp_path / "batching_params.pbtxt").write_text("max_batch_size { value: 3 }")
    rules = own.rules(str(tmp_path))
    assert rules is not None
    assert rules.max_batch_size == 3


def test_tasks_gather_until_the_batch_is_full() -> None:
    queue = waiting(max_batch_size=4, timeout_seconds=10.0)
    for _ in range(3):
        queue.add(task(1), now=0.0)
    assert (queue.due(), queue.take(now=9.9)) == (10.0, None)
    queue.add(task(1), now=5.0)
    assert queue.due() == AT_ONCE
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
    assert (third[0].place, third[0].feeds["x"].tolist()) == (2, [8, 9])


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


@pytest.mark.parametrize(
    ("arrays", "message"),
    [
        ([], "Batching Run() must have at least one input tensor"),
        ([np.float32(1)], "Batching Run() input tensors must have at least one dimension"),
        ([np.zeros(2), np.zeros(3)], "Batching Run() input tensors must have equal 0th-dimension size"),
    ],
)
def test_inputs_that_have_no_common_batch_dimension_are_refused(arrays, message) -> None:
    with pytest.raises(ServingError) as refused:
        rows(arrays)
    assert (refused.value.code, refused.value.message) == (Code.INVALID_ARGUMENT, message)


def test_a_batch_is_filled_up_to_an_allowed_size_and_the_filling_is_thrown_away() -> None:
    rules = BatchRules(max_batch_size=8, allowed_sizes=(2, 4, 8))
    tasks = [task(1, 2), task(3)]
    together = merged(tasks, rules)["x"]
    assert together.tolist() == [1, 2, 3, 3]
    assert [[part.tolist() for part in each] for each in split([together * 10], tasks, rules)] == [[[10, 20]], [[30]]]
    assert (rules.padded(8), rules.padded(9), BatchRules().padded(3)) == (8, 9, 3)


def test_rows_of_different_width_go_together_only_with_padding() -> None:
    wide = Task({"x": np.array([[1, 2, 3]])}, 1)
    narrow = Task({"x": np.array([[4], [5]])}, 2)
    with pytest.raises(ServingError, match="Tensors with name 'x' from different tasks have different shapes") as told:
        merged([wide, narrow], BatchRules())
    assert told.value.code is Code.FAILED_PRECONDITION
    assert merged([wide, narrow], BatchRules(pads=True))["x"].tolist() == [[1, 2, 3], [4, 4, 4], [5, 4, 4]]


def test_what_cannot_be_padded_is_refused() -> None:
    rules = BatchRules(pads=True)
    deep = [Task({"x": np.zeros((1,) * 6 + (size,))}, 1) for size in (1, 2)]
    empty = [Task({"x": np.zeros((1, size))}, 1) for size in (0, 2)]
    uneven = [Task({"x": np.zeros(shape)}, 1) for shape in ((1,), (1, 2))]
    for tasks, text in ((deep, "rank from 1 to 6"), (empty, "Got empty tensor"), (uneven, "concat operation failed")):
        with pytest.raises(ServingError, match=text):
            merged(tasks, rules)


@pytest.mark.parametrize(
    ("output", "message"),
    [
        (np.float32(1), "Batched output tensor has 0 dimensions"),
        (
            np.zeros(2),
            "Batched output tensor's 0th dimension does not equal the sum of the 0th dimension sizes of the input "
            "tensors",
        ),
    ],
)
def test_an_output_without_the_rows_of_the_batch_is_refused(output, message) -> None:
    with pytest.raises(ServingError) as refused:
        split([output], [task(1), task(2), task(3)], BatchRules())
    assert (refused.value.code, refused.value.message) == (Code.FAILED_PRECONDITION, message)


@given(st.lists(st.integers(1, 5), min_size=1, max_size=6), st.integers(1, 6), st.sampled_from([np.float32, object]))
def test_answers_are_those_of_each_task_alone(counts: list[int], allowed: int, dtype: type) -> None:
    rules = BatchRules(max_batch_size=40, allowed_sizes=(allowed, 40))
    tasks = [Task({"x": np.arange(count).astype(dtype)}, count) for count in counts]
    answers = split([merged(tasks, rules)["x"]], tasks, rules)
    assert [answer[0].tolist() for answer in answers] == [list(range(count)) for count in counts]
    cut = tasks[0].slices([1] * counts[0])
    assert joined_slices([[each.feeds["x"]] for each in cut])[0].tolist() == list(range(counts[0]))


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
        return list(joined_slices(collected(wanted.answers, slices.result(PATIENCE)))[0])

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
    assert scheduler.enter(queue)
    assert not scheduler.has_room()
    assert not scheduler.enter(queue)
    waits = submit(scheduler, queue, 1)
    assert runner.seen == []
    scheduler.leave()
    assert waits() == [2]
    until(scheduler.has_room)
    submit(scheduler, gathering, 1)
    assert not scheduler.enter(gathering)


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
        return float(joined_slices(collected(wanted.answers, slices))[0][0])

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
    assert queue.due() == AT_ONCE
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
        collected(whole.answers, 2)
