"""Figures of the requests that are measured during a change."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class PhaseFigures:
    """Requests of one phase of a change; times are from when a request was due until its answer."""

    requests: int
    failures: int
    p50_ms: float | None
    p99_ms: float | None


@dataclass(frozen=True)
class TrafficFigures:
    """Requests with golden questions to the public address, `rate` per second.

    `longest_gap_ms` is the longest time without a correct answer. An answer that differs from the golden answer, or
    that comes from a version which should not serve at that moment, is a failure.
    """

    rate: float
    requests: int
    failures: int
    longest_gap_ms: float
    before: PhaseFigures
    during: PhaseFigures
    after: PhaseFigures
    first_failure: str = ""

    def __str__(self) -> str:
        return f"{self.failures} of {self.requests} requests failed, longest gap {self.longest_gap_ms:.0f} ms"
