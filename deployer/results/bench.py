"""Figures of a benchmark: what a deployment answered under load."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from deployer.results.deployment import Endpoints


@dataclass(frozen=True)
class LatencyFigures:
    """Latencies of the requests that succeeded, in milliseconds.

    In the open loop, a latency counts from when the request was due, and else from when it was sent. Percentiles are
    at most 0.5 % wrong; mean and maximum are exact.
    """

    p50_ms: float
    p90_ms: float
    p95_ms: float
    p99_ms: float
    p999_ms: float
    max_ms: float
    mean_ms: float


@dataclass(frozen=True)
class LatencyBucket:
    """How many requests took so long, and longer than the end of the bucket before."""

    up_to_ms: float
    requests: int


@dataclass(frozen=True)
class FailureCount:
    """Requests that failed in the same way."""

    kind: str
    """`HTTP 503`, a code of gRPC, `deadline`, `refused`, `connection lost`, `unreachable` or `no answer`."""

    requests: int
    example: str
    """What was said about the first of them."""


@dataclass(frozen=True)
class BenchStage:
    """One measurement: over an API, at a rate (open loop) or with a number of clients (closed loop)."""

    api: str
    """`REST` or `gRPC`."""

    rate: float | None
    """Requests a second of the open loop; null in the closed loop."""

    clients: int
    """Clients of the closed loop; in the open loop, how many requests may be under way at once."""

    seconds: float
    requests: int
    """Requests that were answered, or failed."""

    offered_per_second: float
    """Requests that were sent, for each second."""

    answered_per_second: float
    failed: int
    failures: tuple[FailureCount, ...]
    checked: int
    """How many answers were compared with golden answers."""

    wrong: int
    """How many of those differ from the golden answers."""

    first_wrong: str
    latency: LatencyFigures | None
    """Null if no request succeeded."""

    histogram: tuple[LatencyBucket, ...]
    sent_late_p99_ms: float | None
    """How much later than due the generator sent 99 % of the requests, at most; null in the closed loop.

    Requests that waited for a connection are not included.
    """

    generator_load: float
    """The part of a processor that the busiest process of the load generator used."""

    limit: str
    """Why the rate could not be offered; empty if it was."""

    @property
    def name(self) -> str:
        """What was measured, such as `REST at 100/s` or `gRPC with 8 clients`."""
        return f"{self.api} {self.load}"

    @property
    def load(self) -> str:
        """The load, such as `at 100/s` or `with 8 clients`."""
        if self.rate is not None:
            return f"at {self.rate:,g}/s" if self.rate < 1e6 else f"at {self.rate:,.0f}/s"
        return f"with {self.clients:,} client{'' if self.clients == 1 else 's'}"


@dataclass(frozen=True)
class BenchChange:
    """A stage compared with the same stage of an earlier benchmark; each ratio is new to old, null without both."""

    stage: str
    p50_before_ms: float | None
    p50_ratio: float | None
    p99_before_ms: float | None
    p99_ratio: float | None
    answered_before_per_second: float
    answered_ratio: float | None
    failed_before: int


@dataclass(frozen=True)
class BenchResult:
    """A benchmark of a deployment."""

    name: str
    env: str
    engine: str
    model: str
    version: int
    """The version that answered, as the deployment records it."""

    endpoints: Endpoints
    questions: int
    """How many different requests were sent."""

    questions_from: str
    """Where they are from: the golden set, or a file."""

    created: str
    warmup_seconds: float
    stages: tuple[BenchStage, ...]
    changes: tuple[BenchChange, ...] = ()
    against: str = ""
    """The earlier benchmark of the comparison: its file and its time."""

    report: Path | None = None
    interrupted: bool = False
    """Whether it was ended before its time."""

    notices: tuple[str, ...] = ()

    @property
    def ok(self) -> bool:
        """Whether no request failed, and no compared answer was wrong."""
        return not any(stage.failed or stage.wrong for stage in self.stages)
