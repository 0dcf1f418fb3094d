"""The threads that run batches: a fixed number, shared by the queues of all models, which take turns.

Source: class SharedBatchScheduler in TensorFlow's `batching_util/shared_batch_scheduler.h`.
"""

from __future__ import annotations

import collections
import threading
import time

from deployer.server.batch_queue import BatchQueue, Task


class BatchScheduler:
    """Takes tasks and has batches of them run; threads are started as they are needed."""

    def __init__(self, threads: int, name: str = "batch_threads") -> None:
        self._most = threads
        self._name = name
        self._changed = threading.Condition()
        self._waiting: collections.deque[BatchQueue] = collections.deque()
        self._started = 0
        self._idle = 0

    def submit(self, queue: BatchQueue, task: Task) -> int:
        """Enqueue a task and return into how many it was cut; raises ServingError when there is no room."""
        with self._changed:
            before = queue.due()
            slices = queue.add(task, time.monotonic())
            if before is None:
                self._waiting.append(queue)
            if queue.due() != before:
                self._wake()
            return slices

    def _wake(self) -> None:
        """Have one more thread look; all that are busy look by themselves when they are done."""
        if self._idle:
            self._changed.notify()
        elif self._started < self._most:
            self._started += 1
            threading.Thread(target=self._run, name=f"{self._name}_{self._started}", daemon=True).start()

    def _run(self) -> None:
        while True:
            queue, batch = self._next()
            queue.process(batch)

    def _next(self) -> tuple[BatchQueue, list[Task]]:
        with self._changed:
            while True:
                now = time.monotonic()
                found = self._take(now)
                if found is not None:
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
        dues = [due for queue in self._waiting if (due := queue.due()) is not None]
        return max(0.0, min(dues) - now) if dues else None
