"""Schedule batches: a fixed number at the same time, shared fairly by the queues of all models.

Source: class SharedBatchScheduler in TensorFlow's `batching_util/shared_batch_scheduler.h`. There, threads of a pool
run all batches. Here the caller whose task makes a batch due runs it on its own thread if capacity is left: the same
batches, without switching threads. The scheduler's threads run batches that have to wait.
"""

from __future__ import annotations

import collections
import threading
import time

from deployer.server.batching.queue import BatchQueue, Task


class BatchScheduler:
    """Accepts tasks and runs batches; threads are started on demand."""

    def __init__(self, threads: int, name: str = "batch_threads") -> None:
        self._max_threads = threads
        self._name = name
        self._lock = threading.Lock()
        self._changed = threading.Condition(self._lock)
        self._waiting: collections.deque[BatchQueue] = collections.deque()
        self._running = 0
        self._started = 0
        self._idle = 0

    def submit(self, queue: BatchQueue, task: Task) -> int:
        """Enqueue a task and return the number of its slices. Raises ServingError if the queue is full.

        If that makes a batch due and capacity is left, the batch has run on return.
        """
        with self._changed:
            now = time.monotonic()
            previous_due = queue.due()
            slices = queue.add(task, now)
            batch = queue.take(now) if self._running < self._max_threads else None
            self._running += batch is not None
            self._update(queue, previous_due)
        if batch is not None:
            queue.process(batch)
            self.leave()
        return slices

    def _update(self, queue: BatchQueue, previous_due: float | None) -> None:
        """Keep the queue in the waiting list while it has tasks, and wake a thread if its due time changed."""
        due = queue.due()
        if previous_due is None and due is not None:
            self._waiting.append(queue)
        elif previous_due is not None and due is None:
            self._waiting.remove(queue)
        if due is not None and due != previous_due:
            self._wake()

    def try_enter(self, queue: BatchQueue) -> bool:
        """Return whether the caller may run a batch now, bypassing an empty queue; it calls `leave` afterwards."""
        with self._lock:
            entered = self._running < self._max_threads and queue.due() is None
            self._running += entered
            return entered

    def leave(self) -> None:
        """Release the capacity of a batch that has run."""
        with self._lock:
            self._running -= 1
            if self._waiting:
                self._wake()

    def has_room(self) -> bool:
        """Return whether one more batch may run now."""
        return self._running < self._max_threads

    def _wake(self) -> None:
        """Wake or start a thread if capacity is left; otherwise the end of a batch does it."""
        if self._running >= self._max_threads:
            return
        if self._idle:
            self._changed.notify()
        elif self._started < self._max_threads:
            self._started += 1
            threading.Thread(target=self._run_all, name=f"{self._name}_{self._started}", daemon=True).start()

    def _run_all(self) -> None:
        while True:
            queue, batch = self._next()
            queue.process(batch)
            with self._changed:
                self._running -= 1

    def _next(self) -> tuple[BatchQueue, list[Task]]:
        with self._changed:
            while True:
                now = time.monotonic()
                found = self._take(now) if self._running < self._max_threads else None
                if found is not None:
                    self._running += 1
                    if self._waiting:
                        self._wake()
                    return found
                self._idle += 1
                self._changed.wait(self._seconds_until_due(now))
                self._idle -= 1

    def _take(self, now: float) -> tuple[BatchQueue, list[Task]] | None:
        """Take a batch from the next queue in turn."""
        for _ in range(len(self._waiting)):
            queue = self._waiting.popleft()
            batch = queue.take(now)
            if queue.due() is not None:
                self._waiting.append(queue)
            if batch is not None:
                return queue, batch
        return None

    def _seconds_until_due(self, now: float) -> float | None:
        """Return the seconds until the next batch is due; None if nothing is due or no capacity is left."""
        if self._running >= self._max_threads:
            return None
        dues = [due for queue in self._waiting if (due := queue.due()) is not None]
        return max(0.0, min(dues) - now) if dues else None
