"""Counters and histograms by labels: prometheus_client's, under TensorFlow Serving's names.

These have colons for slashes, and a counter's name has no `_total` of its own.
Source: `util/prometheus_exporter.cc` of TensorFlow Serving.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any

from deployer.server.log import LOG

_MOST_CELLS = 1000
_LONGEST_LABEL = 1000
_TOTAL = re.compile(rb"^((?:# \w+ )?[\w:]+)_total(?=[ {])", re.MULTILINE)


def exponential(first: float, growth: float, number: int) -> list[float]:
    """The limits of buckets that grow by a factor; one without a limit comes after the last."""
    limits = [first]
    for _ in range(number - 1):
        limits.append(limits[-1] * growth)
    return limits


class Metric:
    """One metric with a cell for each set of label values; clients choose some of those, so there is a limit."""

    def __init__(self, metric: Any) -> None:
        self.metric = metric
        self._known: dict[tuple[str, ...], Any] = {}

    def cell(self, values: tuple[str, ...]) -> Any:
        """Return what counts for these label values; None where there are too many, or too long ones."""
        found = self._known.get(values)
        if found is None and len(self._known) < _MOST_CELLS and all(len(value) <= _LONGEST_LABEL for value in values):
            labels = [value.encode("utf-8", "replace").decode() for value in values]
            found = self._known[values] = self.metric.labels(*labels) if values else self.metric
        if found is None:
            LOG.debug("a metric has too many labels, or too long ones, to count another")
        return found


class Counter(Metric):
    """Counts events."""

    def __init__(self, path: str, labels: Sequence[str] = ()) -> None:
        import prometheus_client

        super().__init__(prometheus_client.Counter(f"{_name(path)}_total", path, labels, registry=None))

    def add(self, *values: str, by: int = 1) -> None:
        """Count events with these label values."""
        if (cell := self.cell(values)) is not None:
            cell.inc(by)


class Sampler(Metric):
    """Notes how values are distributed over buckets."""

    def __init__(self, path: str, labels: Sequence[str], limits: Sequence[float]) -> None:
        import prometheus_client

        super().__init__(prometheus_client.Histogram(_name(path), path, labels, buckets=limits, registry=None))

    def add(self, value: float, *values: str) -> None:
        """Note a value with these label values."""
        if (cell := self.cell(values)) is not None:
            cell.observe(value)


def page(metrics: Sequence[Metric]) -> bytes:
    """Write all metrics."""
    import prometheus_client

    prometheus_client.disable_created_metrics()  # type: ignore[no-untyped-call]
    registry = prometheus_client.CollectorRegistry()
    for metric in metrics:
        registry.register(metric.metric)
    return _TOTAL.sub(rb"\1", prometheus_client.generate_latest(registry))


def _name(path: str) -> str:
    return path.replace("/", ":")
