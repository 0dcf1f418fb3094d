"""Tasks waiting for a batch: which go together, when a batch may run, and when there is no room. No threads, no clock.

Source: class Queue in TensorFlow's `batching_util/shared_batch_scheduler.h`. The open batch takes tasks; closed ones
wait for a thread; both count as enqueued.
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

AT_ONCE = -math.inf
Outcome = list[Array] | ServingError


@dataclasses.dataclass(frozen=True, eq=False)
class Task:
    """A request, or a slice of one: arrays by tensor name with `size` rows each, and where its answer goes.

    `queued` and `deadline` are seconds of the clock that the queue is asked with; `place` is the slice's number.
    """

    feeds: Mapping[str, Array]
    size: int
    queued: float = 0.0
    deadline: float = math.inf
    place: int = 0
    answers: queue.SimpleQueue[tuple[int, Outcome]] = dataclasses.field(default_factory=queue.SimpleQueue)

    def answer(self, outcome: Outcome) -> None:
        """Hand over what came of it, to the one who waits."""
        self.answers.put((self.place, outcome))

    def slices(self, sizes: Sequence[int]) -> list[Task]:
        """Cut it into tasks of these sizes."""
        ends = list(itertools.accumulate(sizes))
        return [
            dataclasses.replace(
                self,
                feeds={name: array[end - size : end] for name, array in self.feeds.items()},
                size=size,
                place=place,
            )
            for place, (size, end) in enumerate(zip(sizes, ends, strict=True))
        ]


class BatchQueue:
    """The tasks of one kind; `process` is what runs a batch of them. The caller holds a lock around every call."""

    def __init__(self, rules: BatchRules, process: Callable[[list[Task]], None]) -> None:
        self.process = process
        self._rules = rules
        self._limit = rules.max_execution_size
        self._closed: collections.deque[list[Task]] = collections.deque()
        self._open: list[Task] = []
        self._open_size = 0
        self._opened_at = 0.0

    def add(self, task: Task, now: float) -> int:
        """Take a task in and return into how many it was cut; raises ServingError when there is no room for it."""
        self._check_room(task.size)
        left = self._limit - self._open_size
        slices = self._cut(task, left) if self._rules.splits and task.size > left else [task]
        for each in slices:
            self._put(each, now)
        return len(slices)

    def due(self) -> float | None:
        """When the next batch may be taken; None when there is none."""
        if self._closed:
            return AT_ONCE
        if not self._open:
            return None
        return AT_ONCE if self._open_size >= self._limit else self._opened_at + self._rules.timeout_seconds

    def take(self, now: float) -> list[Task] | None:
        """Return the next batch if one may run now."""
        due = self.due()
        if due is None or now < due:
            return None
        if not self._closed:
            self._close()
        return self._closed.popleft()

    def _check_room(self, size: int) -> None:
        rules, enqueued = self._rules, len(self._closed) + 1
        if size > rules.max_batch_size:
            raise invalid(f"Task size {size} is larger than maximum input batch size {rules.max_batch_size}")
        if rules.splits:
            room = (rules.max_enqueued_batches - enqueued) * self._limit + self._limit - self._open_size
            if size > room:
                raise _full(
                    f"task size is {size} but scheduling capacity is only {room} (num_enqueued_batches={enqueued}, "
                    f"max_enqueued_batches={rules.max_enqueued_batches}, open_batch_size={self._open_size}, "
                    f"max_execution_batch_size={self._limit})"
                )
        elif self._open_size + size > self._limit and enqueued >= rules.max_enqueued_batches:
            raise _full(
                f"currently {enqueued} batches enqueued and max_enqueued_batches is {rules.max_enqueued_batches}"
            )

    def _cut(self, task: Task, left: int) -> list[Task]:
        """Fill the open batch, then whole ones; the rest is the last."""
        head = [left] if left else []
        whole, rest = divmod(task.size - left, self._limit)
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


def _full(why: str) -> ServingError:
    return ServingError(Code.UNAVAILABLE, f"The batch scheduling queue to which this task was submitted is full; {why}")


def collected(answers: queue.SimpleQueue[tuple[int, Outcome]], number: int) -> list[list[Array]]:
    """Wait for the answers to all slices of a task; return them in the order of the rows, or raise the first error."""
    answered = [answers.get() for _ in range(number)]
    slices: dict[int, list[Array]] = {}
    for place, outcome in answered:
        if isinstance(outcome, ServingError):
            raise ServingError(outcome.code, outcome.message) from outcome  # the other tasks of its batch raise it too
        slices[place] = outcome
    return [slices[place] for place in sorted(slices)]
