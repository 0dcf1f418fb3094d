"""A model whose requests are run together: what `--enable_batching` puts in front of a loaded version.

Source: `batching/batching_session.cc` of TensorFlow Serving.
"""

from __future__ import annotations

import math
import threading
import time
from collections.abc import Mapping, Sequence
from typing import Any

from deployer.server.batch_arrays import joined_slices, merged, rows, split
from deployer.server.batch_queue import BatchQueue, Task, collected
from deployer.server.batch_scheduler import BatchScheduler
from deployer.server.batching_config import BatchingConfig, BatchRules
from deployer.server.dtypes import Array
from deployer.server.log import LOG
from deployer.server.monitoring import Metrics
from deployer.server.pace import Pace
from deployer.server.servable import Model, SavedModel, time_limit_ms
from deployer.server.status import Code, ServingError

_MAX_QUEUES = 64


class Batching:
    """The threads that all models share, and what decides which version is batched."""

    def __init__(self, config: BatchingConfig, metrics: Metrics | None = None) -> None:
        self._config = config
        self._metrics = metrics
        self._scheduler = BatchScheduler(config.threads, config.thread_name)

    def wrap(self, model: SavedModel, path: str) -> Model:
        """Return the loaded version of a folder with batching in front of it, if it shall have that."""
        rules = self._config.rules(path)
        return model if rules is None else BatchedModel(model, self._scheduler, rules, self._metrics)


class BatchedModel:
    """Answers as the model that it wraps does; a call waits until the batch that it went into has been run."""

    def __init__(
        self, model: SavedModel, scheduler: BatchScheduler, rules: BatchRules, metrics: Metrics | None
    ) -> None:
        LOG.info("Wrapping session to perform batch processing")
        self.signatures = model.signatures
        at_once = model.ends and not rules.timeout_seconds
        self.paces: Mapping[str, Pace] = {name: Pace(at_once, self._runs_quickly) for name in model.signatures}
        self._model = model
        self._scheduler = scheduler
        self._rules = rules
        self._metrics = metrics
        self._queues: dict[tuple[tuple[str, ...], ...], BatchQueue] = {}
        self._runners: list[_Runner] = []
        self._making = threading.Lock()

    def run(
        self,
        feeds: Mapping[str, Array],
        fetches: Sequence[str],
        timeout_ms: int = 0,
        alone: bool = False,  # noqa: ARG002 - how batches have gone so far decides that
    ) -> Any:
        """Enqueue arrays by tensor name and return the fetched ones, in order, when their batch has been run."""
        outputs = sorted(set(fetches))
        now = time.monotonic()
        deadline = now + timeout_ms / 1000 if timeout_ms else math.inf
        task = Task(feeds, rows(feeds.values()), now, deadline)
        if self._metrics:
            self._metrics.note_inputs(len(feeds), task.size)
        slices = self._scheduler.submit(self._queue(tuple(sorted(feeds)), tuple(outputs)), task)
        answer = dict(zip(outputs, joined_slices(collected(task.answers, slices)), strict=True))
        return [answer[name] for name in fetches]

    def close(self) -> None:
        """Free the Session; nobody may be waiting."""
        self._model.close()

    def _runs_quickly(self) -> bool:
        """Whether a call would be run at once, on its own thread, and not for long."""
        return self._scheduler.has_room() and all(runner.pace.quick for runner in self._runners)

    def _queue(self, inputs: tuple[str, ...], outputs: tuple[str, ...]) -> BatchQueue:
        """The queue of requests with these inputs and outputs; one that is dropped is still emptied."""
        return self._queues.get((inputs, outputs)) or self._make((inputs, outputs))

    def _make(self, kind: tuple[tuple[str, ...], ...]) -> BatchQueue:
        with self._making:
            if len(self._queues) >= _MAX_QUEUES:
                del self._queues[next(iter(self._queues))]
            runner = _Runner(self._model, kind[1], self._rules, self._metrics)
            self._runners = [*self._runners[-_MAX_QUEUES:], runner]
            return self._queues.setdefault(kind, BatchQueue(self._rules, runner.process))


class _Runner:
    """Runs the batches of one queue."""

    def __init__(self, model: SavedModel, outputs: Sequence[str], rules: BatchRules, metrics: Metrics | None) -> None:
        self._model = model
        self._outputs = outputs
        self._rules = rules
        self._metrics = metrics
        self.pace = Pace(model.ends)

    def process(self, tasks: list[Task]) -> None:
        """Run a batch; every task gets an answer, whatever happens."""
        try:
            answers: Sequence[list[Array] | ServingError] = self._run(tasks)
        except ServingError as error:
            answers = [error] * len(tasks)
        except Exception:  # noqa: BLE001 - somebody waits for an answer, and the thread must go on
            LOG.exception("A batch failed")
            answers = [ServingError(Code.INTERNAL, "Internal error; the server's log tells more.")] * len(tasks)
        for task, answer in zip(tasks, answers, strict=True):
            task.answer(answer)

    def _run(self, tasks: list[Task]) -> list[list[Array]]:
        now = time.monotonic()
        left = max(task.deadline for task in tasks) - now
        if left <= 0:
            raise ServingError(Code.RESOURCE_EXHAUSTED, "Run() timeout exceeded while waiting in batching queue")
        feeds = merged(tasks, self._rules)
        if self._metrics:
            self._metrics.note_batch((now - task.queued for task in tasks), *self._sizes(tasks))
        with self.pace.timed():
            outputs = self._model.run(feeds, self._outputs, time_limit_ms(left), self.pace.alone)
        return split(outputs, tasks, self._rules)

    def _sizes(self, tasks: Sequence[Task]) -> tuple[int, int]:
        size = sum(task.size for task in tasks)
        return size, self._rules.padded(size)
