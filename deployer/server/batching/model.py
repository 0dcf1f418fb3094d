"""A model that batches concurrent requests, in front of a loaded version (`--enable_batching`).

Source: `batching/batching_session.cc` of TensorFlow Serving.
"""

from __future__ import annotations

import functools
import math
import threading
import time
from collections.abc import Mapping, Sequence
from typing import Any

from deployer.server.batching.arrays import check_rows, join_slices, merge, rows, split
from deployer.server.batching.config import BatchingConfig, BatchRules
from deployer.server.batching.queue import BatchQueue, Task, collect
from deployer.server.batching.scheduler import BatchScheduler
from deployer.server.dtypes import Array
from deployer.server.latency import LatencyTracker
from deployer.server.log import LOG
from deployer.server.metrics.monitoring import Metrics
from deployer.server.servable import Model, SavedModel, Signature, time_limit_ms
from deployer.server.status import Code, ServingError

_MAX_RUNNERS = 64
Names = tuple[tuple[str, ...], tuple[str, ...]]  # the tensors that are fed, and those that are fetched


class Batching:
    """The threads that all models share, and the configuration."""

    def __init__(self, config: BatchingConfig, metrics: Metrics | None = None) -> None:
        self._config = config
        self._metrics = metrics
        self._scheduler = BatchScheduler(config.threads, config.thread_name)

    def wrap(self, model: SavedModel, path: str) -> Model:
        """Return a loaded version with batching in front of it if it is configured. Raises ServingError."""
        rules = self._config.rules(path)
        return model if rules is None else BatchedModel(model, self._scheduler, rules, self._metrics)


class BatchedModel:
    """A model whose calls wait until their batch has run."""

    def __init__(
        self, model: SavedModel, scheduler: BatchScheduler, rules: BatchRules, metrics: Metrics | None
    ) -> None:
        LOG.info("Wrapping session to perform batch processing")
        self.signatures = model.signatures
        runs_at_once = model.terminates and not rules.timeout_seconds
        self.latencies: Mapping[str, LatencyTracker] = {
            name: LatencyTracker(runs_at_once, functools.partial(self._runs_quickly, _names_of(signature)))
            for name, signature in model.signatures.items()
        }
        self._model = model
        self._scheduler = scheduler
        self._rules = rules
        self._metrics = metrics
        self._runners: dict[Names, _Runner] = {}
        self._lock = threading.Lock()

    def run(
        self, feeds: Mapping[str, Array], fetches: Sequence[str], timeout_ms: int = 0, on_caller_thread: bool = False
    ) -> Any:
        """Feed arrays by tensor name and return the fetched ones in order, after their batch has run.

        With `on_caller_thread` the caller measures the call and found it short so far. Raises ServingError.
        """
        size = rows(feeds.values())
        if self._metrics:
            self._metrics.record_inputs(len(feeds), size)
        names = tuple(feeds), tuple(fetches)
        runner = self._runners.get(names) or self._make(names)
        if self._is_whole(size) and self._scheduler.try_enter(runner.queue):
            try:
                return runner.run_alone(feeds, fetches, size, timeout_ms, on_caller_thread)
            finally:
                self._scheduler.leave()
        now = time.monotonic()
        task = Task(feeds, size, now, now + timeout_ms / 1000 if timeout_ms else math.inf)
        slices = self._scheduler.submit(runner.queue, task)
        answer = dict(zip(runner.outputs, join_slices(collect(task.answers, slices)), strict=True))
        return [answer[name] for name in fetches]

    def _is_whole(self, size: int) -> bool:
        """Return whether a request of that size needs no waiting, no splitting and no padding."""
        rules = self._rules
        return not rules.timeout_seconds and 0 < size <= rules.max_execution_size and rules.padded(size) == size

    def close(self) -> None:
        """Free the Session; no call may be waiting."""
        self._model.close()

    def _runs_quickly(self, names: Names) -> bool:
        """Return whether a call would run immediately, on its own thread, and be short."""
        runner = self._runners.get(names)
        return runner is not None and runner.latency.quick and self._scheduler.has_room()

    def _make(self, names: Names) -> _Runner:
        """Return the runner for these names, new or existing; the queue of an evicted one still drains."""
        feeds, fetches = (tuple(sorted(set(each))) for each in names)
        with self._lock:
            equivalent = (each for each in self._runners.values() if (each.feeds, each.outputs) == (feeds, fetches))
            runner = next(equivalent, None) or _Runner(self._model, (feeds, fetches), self._rules, self._metrics)
            if len(self._runners) >= _MAX_RUNNERS:
                del self._runners[next(iter(self._runners))]
            return self._runners.setdefault(names, runner)


def _names_of(signature: Signature) -> Names:
    """Return the tensors that a request for the whole signature feeds and fetches."""
    inputs, outputs = ([info.tensor for info in infos.values()] for infos in (signature.inputs, signature.outputs))
    return tuple(dict.fromkeys(inputs)), tuple(outputs)


class _Runner:
    """Runs requests that feed and fetch the same tensors; `queue` collects them."""

    def __init__(self, model: SavedModel, names: Names, rules: BatchRules, metrics: Metrics | None) -> None:
        self._model = model
        self.feeds, self.outputs = names
        self._rules = rules
        self._metrics = metrics
        self.latency = LatencyTracker(model.terminates)
        self.queue = BatchQueue(rules, self.process)

    def process(self, tasks: list[Task]) -> None:
        """Run a batch; every task gets an answer, whatever happens."""
        try:
            answers: Sequence[list[Array] | ServingError] = self._run(tasks)
        except ServingError as error:
            answers = [error] * len(tasks)
        except Exception:  # noqa: BLE001 - callers wait for an answer, and the thread must continue
            LOG.exception("A batch failed")
            answers = [ServingError(Code.INTERNAL, "Internal error; the server's log tells more.")] * len(tasks)
        for task, answer in zip(tasks, answers, strict=True):
            task.answer(answer)

    def run_alone(
        self, feeds: Mapping[str, Array], fetches: Sequence[str], size: int, timeout_ms: int, is_measured: bool
    ) -> list[Array]:
        """Run one request as a batch. Raises ServingError.

        While batches are quick, the caller's measurement is enough.
        """
        if self._metrics:
            self._metrics.record_batch([0.0], size, size)
        outputs: list[Array]
        if is_measured and self.latency.quick:
            outputs = self._model.run(feeds, fetches, timeout_ms, on_caller_thread=True)
        else:
            with self.latency.timer():
                outputs = self._model.run(feeds, fetches, timeout_ms, self.latency.on_caller_thread)
        check_rows(outputs, size)
        return outputs

    def _run(self, tasks: list[Task]) -> list[list[Array]]:
        now = time.monotonic()
        remaining = max(task.deadline for task in tasks) - now
        if remaining <= 0:
            raise ServingError(Code.RESOURCE_EXHAUSTED, "Run() timeout exceeded while waiting in batching queue")
        feeds = merge(tasks, self._rules)
        if self._metrics:
            self._metrics.record_batch((now - task.enqueued_at for task in tasks), *self._sizes(tasks))
        with self.latency.timer():
            outputs = self._model.run(feeds, self.outputs, time_limit_ms(remaining), self.latency.on_caller_thread)
        return split(outputs, tasks, self._rules)

    def _sizes(self, tasks: Sequence[Task]) -> tuple[int, int]:
        size = sum(task.size for task in tasks)
        return size, self._rules.padded(size)
