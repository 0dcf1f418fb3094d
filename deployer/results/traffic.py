"""What clients would have noticed of a change."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class PhaseFigures:
    """Requests of one phase of a change; times are from when a request was due to its answer, None without any."""

    requests: int
    failures: int
    p50_ms: float | None
    p99_ms: float | None


@dataclass(frozen=True)
class TrafficFigures:
    """What clients would have noticed of a change: golden requests at `rate` a second to the public address.

    `longest_gap_ms` is the longest time without a good answer. An answer that differs from TensorFlow's,
    or comes from a version that may not serve at that moment, is a failure.
    """

    rate: float
    requests: int
    failures: int
    longest_gap_ms: float
    before: PhaseFigures
    during: PhaseFigures
    after: PhaseFigures
    first_failure: str = ""
