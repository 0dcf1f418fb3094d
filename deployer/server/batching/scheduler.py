"""Who runs batches, and how many at once: a fixed number, shared by the queues of all models, which take turns.

Source: class SharedBatchScheduler in TensorFlow's `batching_util/shared_batch_scheduler.h`. There, threads of a pool
run all batches. Here the caller whose task makes a batch due runs it on its own thread when there is room for one
more: the same batches, without the way to another thread and back. The scheduler's threads run what has to wait.
"""

from __future__ import annotations

import collections
import threading
import time

from deployer.server.batching.queue import BatchQueue, Task


class BatchScheduler:
    """Takes tasks and has batches of them run; threads are started as they are needed."""

    def __init__(self, threads: int, name: str = "batch_threads") -> None:
        self._most = threads
        self._name = name
        self._lock = threading.Lock()
        self._changed = threading.Condition(self._lock)
        self._waiting: collections.deque[BatchQueue] = collections.deque()
        self._running = 0
        self._started = 0
        self._idle = 0

    def submit(self, queue: BatchQueue, task: Task) -> int:
        """Enqueue a task and return into how many it was cut; raises ServingError when there is no room.

        If that makes a batch of the queue due and there is room for one more, it has been run on return.
        """
        with self._changed:
            now = time.monotonic()
            before = queue.due()
            slices = queue.add(task, now)
            batch = queue.take(now) if self._running < self._most else None
            self._running += batch is not None
            self._note(queue, before)
        if batch is not None:
            queue.process(batch)
            self.leave()
        return slices

    def _note(self, queue: BatchQueue, before: float | None) -> None:
        """Keep the queue among those that wait if it does, and wake a thread for what is due otherwise than before."""
        due = queue.due()
        if before is None and due is not None:
            self._waiting.append(queue)
        elif before is not None and due is None:
            self._waiting.remove(queue)
        if due is not None and due != before:
            self._wake()

    def enter(self, queue: BatchQueue) -> bool:
        """Whether the caller may run a batch now, past a queue in which nobody waits; then it calls `leave` after."""
        with self._lock:
            enters = self._running < self._most and queue.due() is None
            self._running += enters
            return enters

    def leave(self) -> None:
        """A batch has been run by who was let in."""
        with self._lock:
            self._running -= 1
            if self._waiting:
                self._wake()

    def has_room(self) -> bool:
        """Whether one more batch may run now."""
        return self._running < self._most

    def _wake(self) -> None:
        """Have one more thread look if there is room; who ends a batch wakes one then."""
        if self._running >= self._most:
            return
        if self._idle:
            self._changed.notify()
        elif self._started < self._most:
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
                found = self._take(now) if self._running < self._most else None
                if found is not None:
                    self._running += 1
                    if self._waiting:
                        self._wake()
                    return found
                self._idle += 1
                self._changed.wait(self._pause(now))
                self._idle -= 1

    def _take(self, now: float) -> tuple[BatchQueue, list[Task]] | None:
        """Take a batch from the queue whose turn it is; the next look begins behind it."""
        for _ in range(len(self._waiting)):
            queue = self._waiting.popleft()
            batch = queue.take(now)
            if queue.due() is not None:
                self._waiting.append(queue)
            if batch is not None:
                return queue, batch
        return None

    def _pause(self, now: float) -> float | None:
        """Seconds until the next batch is due; None while nothing is, or there is no room to run it."""
        if self._running >= self._most:
            return None
        dues = [due for queue in self._waiting if (due := queue.due()) is not None]
        return max(0.0, min(dues) - now) if dues else None
