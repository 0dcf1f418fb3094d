"""A model whose requests are run together: what `--enable_batching` puts in front of a loaded version.

Source: `batching/batching_session.cc` of TensorFlow Serving.
"""

from __future__ import annotations

import functools
import math
import threading
import time
from collections.abc import Mapping, Sequence
from typing import Any

from deployer.server.batching.arrays import check_rows, joined_slices, merged, rows, split
from deployer.server.batching.config import BatchingConfig, BatchRules
from deployer.server.batching.queue import BatchQueue, Task, collected
from deployer.server.batching.scheduler import BatchScheduler
from deployer.server.dtypes import Array
from deployer.server.latency import LatencyTracker
from deployer.server.log import LOG
from deployer.server.metrics.monitoring import Metrics
from deployer.server.servable import Model, SavedModel, Signature, time_limit_ms
from deployer.server.status import Code, ServingError

_MAX_KINDS = 64
Names = tuple[tuple[str, ...], tuple[str, ...]]  # the tensors that are fed, and those that are fetched


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
        self.paces: Mapping[str, LatencyTracker] = {
            name: LatencyTracker(at_once, functools.partial(self._runs_quickly, _names_of(signature)))
            for name, signature in model.signatures.items()
        }
        self._model = model
        self._scheduler = scheduler
        self._rules = rules
        self._metrics = metrics
        self._runners: dict[Names, _Runner] = {}
        self._making = threading.Lock()

    def run(self, feeds: Mapping[str, Array], fetches: Sequence[str], timeout_ms: int = 0, alone: bool = False) -> Any:
        """Take arrays by tensor name and return the fetched ones, in order, when their batch has been run.

        With `alone` the call is one that its caller measures, and found short so far.
        """
        size = rows(feeds.values())
        if self._metrics:
            self._metrics.note_inputs(len(feeds), size)
        names = tuple(feeds), tuple(fetches)
        runner = self._runners.get(names) or self._make(names)
        if self._is_whole(size) and self._scheduler.enter(runner.queue):
            try:
                return runner.run_alone(feeds, fetches, size, timeout_ms, alone)
            finally:
                self._scheduler.leave()
        now = time.monotonic()
        task = Task(feeds, size, now, now + timeout_ms / 1000 if timeout_ms else math.inf)
        slices = self._scheduler.submit(runner.queue, task)
        answer = dict(zip(runner.outputs, joined_slices(collected(task.answers, slices)), strict=True))
        return [answer[name] for name in fetches]

    def _is_whole(self, size: int) -> bool:
        """Whether so many rows wait for no others, fit into one batch, and need no filling."""
        rules = self._rules
        return not rules.timeout_seconds and 0 < size <= rules.max_execution_size and rules.padded(size) == size

    def close(self) -> None:
        """Free the Session; nobody may be waiting."""
        self._model.close()

    def _runs_quickly(self, names: Names) -> bool:
        """Whether a call would be run at once, on its own thread, and not for long."""
        runner = self._runners.get(names)
        return runner is not None and runner.pace.quick and self._scheduler.has_room()

    def _make(self, names: Names) -> _Runner:
        """Make what runs requests with these names, or find it; the queue of one that is dropped is still emptied."""
        feeds, fetches = (tuple(sorted(set(each))) for each in names)
        with self._making:
            same = (each for each in self._runners.values() if (each.feeds, each.outputs) == (feeds, fetches))
            found = next(same, None) or _Runner(self._model, (feeds, fetches), self._rules, self._metrics)
            if len(self._runners) >= _MAX_KINDS:
                del self._runners[next(iter(self._runners))]
            return self._runners.setdefault(names, found)


def _names_of(signature: Signature) -> Names:
    """What a request that asks for all of a signature feeds and fetches."""
    inputs, outputs = ([slot.tensor for slot in slots.values()] for slots in (signature.inputs, signature.outputs))
    return tuple(dict.fromkeys(inputs)), tuple(outputs)


class _Runner:
    """Runs requests that feed and fetch the same tensors; `queue` is where they gather."""

    def __init__(self, model: SavedModel, names: Names, rules: BatchRules, metrics: Metrics | None) -> None:
        self._model = model
        self.feeds, self.outputs = names
        self._rules = rules
        self._metrics = metrics
        self.pace = LatencyTracker(model.ends)
        self.queue = BatchQueue(rules, self.process)

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

    def run_alone(
        self, feeds: Mapping[str, Array], fetches: Sequence[str], size: int, timeout_ms: int, is_measured: bool
    ) -> list[Array]:
        """Run one request as a batch; raises ServingError. While batches are quick, its caller's measure is enough."""
        if self._metrics:
            self._metrics.note_batch([0.0], size, size)
        outputs: list[Array]
        if is_measured and self.pace.quick:
            outputs = self._model.run(feeds, fetches, timeout_ms, alone=True)
        else:
            with self.pace.timed():
                outputs = self._model.run(feeds, fetches, timeout_ms, self.pace.alone)
        check_rows(outputs, size)
        return outputs

    def _run(self, tasks: list[Task]) -> list[list[Array]]:
        now = time.monotonic()
        left = max(task.deadline for task in tasks) - now
        if left <= 0:
            raise ServingError(Code.RESOURCE_EXHAUSTED, "Run() timeout exceeded while waiting in batching queue")
        feeds = merged(tasks, self._rules)
        if self._metrics:
            self._metrics.note_batch((now - task.queued for task in tasks), *self._sizes(tasks))
        with self.pace.timed():
            outputs = self._model.run(feeds, self.outputs, time_limit_ms(left), self.pace.alone)
        return split(outputs, tasks, self._rules)

    def _sizes(self, tasks: Sequence[Task]) -> tuple[int, int]:
        size = sum(task.size for task in tasks)
        return size, self._rules.padded(size)
