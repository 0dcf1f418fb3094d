"""Tasks waiting for a batch: which are batched, when a batch may run, and when the queue is full.

Has no threads and no clock. Source: class Queue in TensorFlow's `batching_util/shared_batch_scheduler.h`. The open
batch takes tasks; closed ones wait for a thread; both count as enqueued.
"""

from __future__ import annotations

import collections
import dataclasses
import itertools
import math
import queue
from collections.abc import Callable, Mapping, Sequence

from deployer.server.batching.config import BatchRules
from deployer.server.dtypes import Array
from deployer.server.status import Code, ServingError, invalid

NOW = -math.inf
Outcome = list[Array] | ServingError


@dataclasses.dataclass(frozen=True, eq=False)
class Task:
    """A request or a slice of one: arrays by tensor name with `size` rows each, and the queue for its answer.

    `enqueued_at` and `deadline` are in seconds of the caller's clock; `slice_index` is the slice's number.
    """

    feeds: Mapping[str, Array]
    size: int
    enqueued_at: float = 0.0
    deadline: float = math.inf
    slice_index: int = 0
    answers: queue.SimpleQueue[tuple[int, Outcome]] = dataclasses.field(default_factory=queue.SimpleQueue)

    def answer(self, outcome: Outcome) -> None:
        """Deliver the outcome to the waiting caller."""
        self.answers.put((self.slice_index, outcome))

    def slices(self, sizes: Sequence[int]) -> list[Task]:
        """Return the task cut into tasks of these sizes."""
        ends = list(itertools.accumulate(sizes))
        return [
            dataclasses.replace(
                self,
                feeds={name: array[end - size : end] for name, array in self.feeds.items()},
                size=size,
                slice_index=slice_index,
            )
            for slice_index, (size, end) in enumerate(zip(sizes, ends, strict=True))
        ]


class BatchQueue:
    """The tasks of one kind; `process` runs a batch of them. The caller holds a lock around every call."""

    def __init__(self, rules: BatchRules, process: Callable[[list[Task]], None]) -> None:
        self.process = process
        self._rules = rules
        self._limit = rules.max_execution_size
        self._closed: collections.deque[list[Task]] = collections.deque()
        self._open: list[Task] = []
        self._open_size = 0
        self._opened_at = 0.0

    def add(self, task: Task, now: float) -> int:
        """Add a task and return the number of its slices. Raises ServingError if the queue is full."""
        self._check_capacity(task.size)
        open_capacity = self._limit - self._open_size
        slices = self._slice(task, open_capacity) if self._rules.splits and task.size > open_capacity else [task]
        for part in slices:
            self._put(part, now)
        return len(slices)

    def due(self) -> float | None:
        """Return when the next batch may be taken; None if there is none."""
        if self._closed:
            return NOW
        if not self._open:
            return None
        return NOW if self._open_size >= self._limit else self._opened_at + self._rules.timeout_seconds

    def take(self, now: float) -> list[Task] | None:
        """Return the next batch if one may run now."""
        due = self.due()
        if due is None or now < due:
            return None
        if not self._closed:
            self._close()
        return self._closed.popleft()

    def _check_capacity(self, size: int) -> None:
        rules, enqueued = self._rules, len(self._closed) + 1
        if size > rules.max_batch_size:
            raise invalid(f"Task size {size} is larger than maximum input batch size {rules.max_batch_size}")
        if rules.splits:
            capacity = (rules.max_enqueued_batches - enqueued) * self._limit + self._limit - self._open_size
            if size > capacity:
                raise _full(
                    f"task size is {size} but scheduling capacity is only {capacity} (num_enqueued_batches={enqueued}, "
                    f"max_enqueued_batches={rules.max_enqueued_batches}, open_batch_size={self._open_size}, "
                    f"max_execution_batch_size={self._limit})"
                )
        elif self._open_size + size > self._limit and enqueued >= rules.max_enqueued_batches:
            raise _full(
                f"currently {enqueued} batches enqueued and max_enqueued_batches is {rules.max_enqueued_batches}"
            )

    def _slice(self, task: Task, open_capacity: int) -> list[Task]:
        """Fill the open batch, then whole batches; the last slice has the remaining rows."""
        head = [open_capacity] if open_capacity else []
        whole, rest = divmod(task.size - open_capacity, self._limit)
        return task.slices([*head, *[self._limit] * whole, *([rest] if rest else [])])

    def _put(self, task: Task, now: float) -> None:
        if self._open_size + task.size > self._limit:
            self._close()
        if not self._open:
            self._opened_at = now
        self._open.append(task)
        self._open_size += task.size

    def _close(self) -> None:
        self._closed.append(self._open)
        self._open, self._open_size = [], 0


def _full(reason: str) -> ServingError:
    return ServingError(
        Code.UNAVAILABLE, f"The batch scheduling queue to which this task was submitted is full; {reason}"
    )


def collect(answers: queue.SimpleQueue[tuple[int, Outcome]], number: int) -> list[list[Array]]:
    """Wait for the answers to all slices of a task and return them in row order; raise the first error."""
    outcomes = [answers.get() for _ in range(number)]
    slices: dict[int, list[Array]] = {}
    for slice_index, outcome in outcomes:
        if isinstance(outcome, ServingError):
            raise ServingError(
                outcome.code, outcome.message
            ) from outcome  # a copy, because the other tasks of the batch raise it too
        slices[slice_index] = outcome
    return [slices[slice_index] for slice_index in sorted(slices)]
