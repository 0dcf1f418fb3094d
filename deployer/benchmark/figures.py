"""The figures of a stage, from what the load generator saw of it."""

from __future__ import annotations

from deployer.benchmark.histogram import Histogram, coarser
from deployer.benchmark.job import Measured, Stage
from deployer.results.bench import BenchStage, FailureCount, LatencyBucket, LatencyFigures

OFFERED_SHARE = 0.99
"""A rate counts as offered if this part of the requests was sent."""
BUSY_PROCESSOR = 0.9
JOINED_BUCKETS = 10
"""Buckets of the printed histogram are 10.5 % wide."""


def of_stage(stage: Stage, seen: Measured, verdict: tuple[int, int, str] = (0, 0, "")) -> BenchStage:
    """Return the figures. `verdict` says how many answers were checked and were wrong, and what the first was."""
    failed = sum(seen.failures.values())
    answered, seconds = seen.latencies.size, seen.seconds
    checked, wrong, first_wrong = verdict
    return BenchStage(
        api=stage.api,
        rate=stage.rate,
        clients=stage.clients,
        seconds=round(seconds, 3),
        requests=answered + failed,
        offered_per_second=_per_second(seen.sent, min(seconds, stage.seconds)),
        answered_per_second=_per_second(answered, seconds),
        failed=failed,
        failures=tuple(FailureCount(kind, count, seen.examples[kind]) for kind, count in seen.failures.most_common()),
        checked=checked,
        wrong=wrong,
        first_wrong=first_wrong,
        latency=_latency(seen.latencies) if answered else None,
        histogram=tuple(
            LatencyBucket(_milliseconds(end), count) for end, count in coarser(seen.latencies.counts, JOINED_BUCKETS)
        ),
        sent_late_p99_ms=_milliseconds(seen.delays.percentile(99)) if seen.delays.counts else None,
        generator_load=round(seen.processor, 3),
        limit=_limit(stage, seen),
    )


def _latency(latencies: Histogram) -> LatencyFigures:
    p50, p90, p95, p99, p999 = (_milliseconds(latencies.percentile(percent)) for percent in (50, 90, 95, 99, 99.9))
    return LatencyFigures(p50, p90, p95, p99, p999, _milliseconds(latencies.largest), _milliseconds(latencies.mean))


def _limit(stage: Stage, seen: Measured) -> str:
    """Return why the rate could not be offered; empty if it was, and in the closed loop."""
    due = seen.sent + seen.unsent
    if not stage.rate or seen.sent >= OFFERED_SHARE * due:
        return ""
    if seen.processor >= BUSY_PROCESSOR:
        return f"the load generator used {seen.processor:.0%} of a processor; --processes adds processes"
    if seen.held_back:
        return f"all {stage.clients:,} connections were waiting for answers"
    return "this machine was too busy to send them"


def _per_second(count: int, seconds: float) -> float:
    return round(count / seconds, 1) if seconds > 0 else 0.0


def _milliseconds(seconds: float) -> float:
    return round(seconds * 1000, 3)
