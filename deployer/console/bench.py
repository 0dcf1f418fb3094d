"""Prints a benchmark: a table with a row for each measurement, and what else should be known."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from deployer.console.lines import fits, note, out, show_notices, table
from deployer.console.terminal import BOLD, RED, colored, printable

if TYPE_CHECKING:
    from deployer.results.bench import BenchChange, BenchResult, BenchStage, LatencyFigures

HEAD = ("", "ANSWERED", "FAILED", "P50", "P90", "P95", "P99", "P99.9", "MAX")
NARROW = (0, 1, 2, 3, 6, 8)
"""The columns that a narrow terminal shows."""
CHANGE_HEAD = ("", "ANSWERED BEFORE", "NOW", "P50 BEFORE", "NOW", "P99 BEFORE", "NOW")
LATE_SHARE = 0.1
"""A generator that is later than this part of the median latency is worth a note."""


def show_bench(result: BenchResult) -> None:
    """Print the figures of each stage, failures, wrong answers, and rates that could not be offered."""
    if result.stages:
        questions = f"{result.questions} {'request' if result.questions == 1 else 'different requests'}"
        out(f"{result.model}:{result.version} at {result.endpoints.rest}, {questions} ({result.questions_from})")
        rows = [HEAD, *map(_row, result.stages)]
        table(rows if fits(rows) else [tuple(row[column] for column in NARROW) for row in rows])
    for stage in result.stages:
        for text in _remarks(stage):
            out(f"  {stage.name}: {text}")
    if result.changes:
        out(f"compared with {result.against}:")
        table([CHANGE_HEAD, *map(_change_row, result.changes)])
    show_notices(result.notices)
    if result.report is not None:
        out(f"report: {result.report}")
    if result.interrupted:
        note("interrupted: the figures are of what was measured until then" if result.stages else "interrupted")


def _row(stage: BenchStage) -> tuple[str, ...]:
    return (stage.name, f"{stage.answered_per_second:,.1f}/s", f"{stage.failed:,}", *_latencies(stage.latency))


def _latencies(latency: LatencyFigures | None) -> tuple[str, ...]:
    if latency is None:
        return ("-",) * 6
    values = (latency.p50_ms, latency.p90_ms, latency.p95_ms, latency.p99_ms, latency.p999_ms, latency.max_ms)
    return tuple(map(milliseconds, values))


def milliseconds(value: float) -> str:
    """Return a latency with three digits or more."""
    digits = 2 if value < 10 else 1 if value < 100 else 0
    return f"{value:,.{digits}f} ms"


def _remarks(stage: BenchStage) -> Iterator[str]:
    if stage.limit and stage.rate is not None:
        offered = f"offered {stage.offered_per_second:,.0f} of {stage.rate:,.0f} requests/s"
        yield colored(f"{offered}: {stage.limit}", BOLD)
    for failure in stage.failures:
        example = f": {printable(failure.example)}" if failure.example else ""
        yield colored(f"{failure.requests:,} failed, {failure.kind}{example}", RED)
    if stage.wrong:
        yield colored(
            f"{stage.wrong} of {stage.checked} compared answers are wrong: {printable(stage.first_wrong)}", RED
        )
    late, latency = stage.sent_late_p99_ms, stage.latency
    if late is not None and latency and not stage.limit and late > max(1.0, LATE_SHARE * latency.p99_ms):
        yield f"the load generator was late itself, up to {milliseconds(late)} for 99 %: this machine is busy"


def _change_row(change: BenchChange) -> tuple[str, ...]:
    return (
        change.stage,
        f"{change.answered_before_per_second:,.1f}/s",
        _ratio(change.answered_ratio),
        "-" if change.p50_before_ms is None else milliseconds(change.p50_before_ms),
        _ratio(change.p50_ratio),
        "-" if change.p99_before_ms is None else milliseconds(change.p99_before_ms),
        _ratio(change.p99_ratio),
    )


def _ratio(value: float | None) -> str:
    return "" if value is None else f"x {value:.2f}"
