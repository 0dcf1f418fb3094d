"""Counters and distributions by labels, and the page of them that Prometheus reads.

Sources: `util/prometheus_exporter.cc` of TensorFlow Serving, `core/lib/monitoring` of TensorFlow. The names have colons
for slashes; there are no help texts; the buckets of a distribution hold what is less than their limit.
"""

from __future__ import annotations

import bisect
import threading
from collections.abc import Iterable, Iterator, Sequence
from typing import Generic, TypeVar

from deployer.server.log import LOG

_MOST_CELLS = 1000
_LONGEST_LABEL = 1000
C = TypeVar("C")


def exponential(first: float, growth: float, number: int) -> list[float]:
    """The limits of buckets that grow by a factor; one without a limit comes after the last."""
    limits = [first]
    for _ in range(number - 1):
        limits.append(limits[-1] * growth)
    return limits


class Metric(Generic[C]):
    """One metric with a cell for each set of label values; clients choose some of those, so there is a limit."""

    kind = ""

    def __init__(self, path: str, labels: Sequence[str] = ()) -> None:
        self.name = path.replace("/", ":")
        self._labels = labels
        self._cells: dict[tuple[str, ...], C] = {}
        self._lock = threading.Lock()

    def lines(self) -> Iterator[str]:
        """Write what Prometheus reads: the type and all samples."""
        yield f"# TYPE {self.name} {self.kind}"
        with self._lock:
            for values in sorted(self._cells):
                labels = [f'{name}="{_escaped(value)}"' for name, value in zip(self._labels, values, strict=True)]
                yield from self._samples(labels, self._cells[values])

    def _samples(self, labels: list[str], cell: C) -> Iterable[str]:
        raise NotImplementedError

    def _has_room(self, values: tuple[str, ...]) -> bool:
        if len(self._cells) < _MOST_CELLS and all(len(value) <= _LONGEST_LABEL for value in values):
            return True
        LOG.debug("%s has too many labels, or too long ones, to count another", self.name)
        return False


class Counter(Metric[int]):
    """Counts events."""

    kind = "counter"

    def add(self, *values: str, by: int = 1) -> None:
        """Count events with these label values."""
        with self._lock:
            before = self._cells.get(values)
            if before is not None or self._has_room(values):
                self._cells[values] = (before or 0) + by

    def _samples(self, labels: list[str], cell: int) -> Iterable[str]:
        return [f"{self.name}{{{','.join(labels)}}} {cell}"]


class _Distribution:
    """How many values fell into each bucket, and their sum."""

    def __init__(self, buckets: int) -> None:
        self.counts = [0] * buckets
        self.sum = 0.0


class Sampler(Metric[_Distribution]):
    """Notes how values are distributed over buckets."""

    kind = "histogram"

    def __init__(self, path: str, labels: Sequence[str], limits: Sequence[float]) -> None:
        super().__init__(path, labels)
        self._limits = limits

    def add(self, value: float, *values: str) -> None:
        """Note a value with these label values."""
        with self._lock:
            cell = self._cells.get(values) or self._make(values)
            if cell is not None:
                cell.counts[bisect.bisect_right(self._limits, value)] += 1
                cell.sum += value

    def _make(self, values: tuple[str, ...]) -> _Distribution | None:
        return self._cells.setdefault(values, _Distribution(len(self._limits) + 1)) if self._has_room(values) else None

    def _samples(self, labels: list[str], cell: _Distribution) -> Iterable[str]:
        total = 0
        for limit, count in zip([*(f"{limit:g}" for limit in self._limits), "+Inf"], cell.counts, strict=True):
            total += count
            within = ",".join([*labels, f'le="{limit}"'])
            yield f"{self.name}_bucket{{{within}}} {total}"
        yield f"{self.name}_sum{{{','.join(labels)}}} {cell.sum:g}"
        yield f"{self.name}_count{{{','.join(labels)}}} {total}"


def _escaped(value: str) -> str:
    return value.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")


def page(metrics: Iterable[Metric[int] | Metric[_Distribution]]) -> bytes:
    """Write all metrics, by name."""
    lines = [line for metric in sorted(metrics, key=lambda metric: metric.name) for line in metric.lines()]
    return ("\n".join(lines) + "\n").encode("utf-8", "replace")
