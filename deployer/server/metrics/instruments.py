"""Labelled counters and histograms of prometheus_client under TensorFlow Serving's names.

Those have colons for slashes, and counters have no `_total` suffix. Source: `util/prometheus_exporter.cc` of TensorFlow
Serving.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any

from deployer.server.log import LOG

_MAX_CELLS = 1000
_MAX_LABEL_LENGTH = 1000
_TOTAL = re.compile(rb"^((?:# \w+ )?[\w:]+)_total(?=[ {])", re.MULTILINE)


def exponential(first: float, growth: float, number: int) -> list[float]:
    """Return bucket limits that grow by a factor; an unlimited bucket follows the last."""
    limits = [first]
    for _ in range(number - 1):
        limits.append(limits[-1] * growth)
    return limits


class Metric:
    """A metric with a cell for each set of label values, limited because clients choose some of them."""

    def __init__(self, metric: Any) -> None:
        self.metric = metric
        self._known: dict[tuple[str, ...], Any] = {}

    def cell(self, values: tuple[str, ...]) -> Any:
        """Return the cell for these label values; None beyond the limits."""
        cell = self._known.get(values)
        if cell is None and len(self._known) < _MAX_CELLS and all(len(value) <= _MAX_LABEL_LENGTH for value in values):
            labels = [value.encode("utf-8", "replace").decode() for value in values]
            cell = self._known[values] = self.metric.labels(*labels) if values else self.metric
        if cell is None:
            LOG.debug("a metric has too many labels, or too long ones, to count another")
        return cell


class Counter(Metric):
    """A counter of events."""

    def __init__(self, path: str, labels: Sequence[str] = ()) -> None:
        import prometheus_client

        super().__init__(prometheus_client.Counter(f"{_name(path)}_total", path, labels, registry=None))

    def add(self, *values: str, by: int = 1) -> None:
        """Count events with these label values."""
        if (cell := self.cell(values)) is not None:
            cell.inc(by)


class Sampler(Metric):
    """A histogram of values."""

    def __init__(self, path: str, labels: Sequence[str], limits: Sequence[float]) -> None:
        import prometheus_client

        super().__init__(prometheus_client.Histogram(_name(path), path, labels, buckets=limits, registry=None))

    def add(self, value: float, *values: str) -> None:
        """Record a value with these label values."""
        if (cell := self.cell(values)) is not None:
            cell.observe(value)


def page(metrics: Sequence[Metric]) -> bytes:
    """Return the text of all metrics."""
    import prometheus_client

    prometheus_client.disable_created_metrics()  # type: ignore[no-untyped-call]
    registry = prometheus_client.CollectorRegistry()
    for metric in metrics:
        registry.register(metric.metric)
    return _TOTAL.sub(rb"\1", prometheus_client.generate_latest(registry))


def _name(path: str) -> str:
    return path.replace("/", ":")
