"""The report of a benchmark: one HTML page with plots, which needs no network and runs no script."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from functools import partial
from pathlib import Path
from typing import NamedTuple

from deployer._version import __version__
from deployer.benchmark import plots
from deployer.benchmark.earlier import Earlier
from deployer.benchmark.figures import JOINED_BUCKETS
from deployer.benchmark.histogram import GROWTH
from deployer.benchmark.plots import Bars, Bucket, Point, Series
from deployer.config.templates import render_template
from deployer.results.bench import BenchResult, BenchStage

TEMPLATE = "bench.html"
BUCKET_GROWTH = GROWTH**JOINED_BUCKETS
PERCENTILES = (("p50", "p50_ms"), ("p99", "p99_ms"), ("p99.9", "p999_ms"))


class StagePlot(NamedTuple):
    """A stage with the histogram of its latencies, which is empty without an answer."""

    stage: BenchStage
    histogram: str


def render(result: BenchResult, earlier: Earlier | None, templates_dir: Path | None) -> str:
    """Return the page. Raises TemplateError."""
    stages = result.stages
    over_load = [
        plot
        for is_open in (True, False)
        for plot in (_throughput(stages, earlier, is_open=is_open), _percentiles(stages, is_open=is_open))
        if plot
    ]
    return render_template(
        TEMPLATE,
        templates_dir,
        result=result,
        earlier=earlier,
        plots=over_load,
        stages=[StagePlot(stage, _histogram(stage, earlier)) for stage in stages],
        milliseconds=milliseconds,
        version=__version__,
    )


def _load(stage: BenchStage) -> float:
    return stage.rate if stage.rate is not None else float(stage.clients)


def _of_kind(stages: Iterable[BenchStage], *, is_open: bool) -> list[BenchStage]:
    return sorted((stage for stage in stages if (stage.rate is not None) is is_open), key=_load)


def _throughput(stages: Sequence[BenchStage], earlier: Earlier | None, *, is_open: bool) -> str:
    """Return the answers a second over the load; empty for a single load without an earlier one."""
    now = _of_kind(stages, is_open=is_open)
    before = _of_kind(earlier.stages if earlier else (), is_open=is_open)
    series = [
        *_by_api(before, lambda stage: stage.answered_per_second, "earlier ", " (earlier)"),
        *_by_api(now, lambda stage: stage.answered_per_second),
    ]
    if not now or max(len(each.points) for each in series) < 2:
        return ""
    loads = [_load(stage) for stage in (*now, *before)]
    label = "requests/s that were due" if is_open else "clients"
    if is_open:
        series.insert(
            0, Series("all answered", (Point(min(loads), min(loads)), Point(max(loads), max(loads))), "ideal")
        )
    x = plots.x_axis_of_lines(label, loads)
    values = (point.y for each in series for point in each.points)
    y = plots.y_axis("answers/s", values, logarithmic=x.logarithmic)
    return plots.lines(f"Answers a second over {label}", x, y, series)


def _percentiles(stages: Sequence[BenchStage], *, is_open: bool) -> str:
    """Return the latencies over the load; empty for a single load."""
    answered = [stage for stage in _of_kind(stages, is_open=is_open) if stage.latency]
    series = [
        Series(f"{each.name} {name}", each.points, f"{each.style} {name.replace('.', '')}")
        for name, field in PERCENTILES
        for each in _by_api(answered, partial(_latency, field))
    ]
    if max((len(each.points) for each in series), default=0) < 2:
        return ""
    x = plots.x_axis_of_lines("requests/s that were due" if is_open else "clients", [*map(_load, answered)])
    values = (point.y for each in series for point in each.points)
    return plots.lines("Latency over the load", x, plots.y_axis("latency in ms", values, logarithmic=True), series)


def _latency(field: str, stage: BenchStage) -> float:
    value: float = getattr(stage.latency, field)
    return value


def _by_api(
    stages: Sequence[BenchStage], value: Callable[[BenchStage], float], style: str = "", suffix: str = ""
) -> list[Series]:
    apis = dict.fromkeys(stage.api for stage in stages)
    return [
        Series(
            f"{api}{suffix}",
            tuple(Point(_load(stage), value(stage)) for stage in stages if stage.api == api),
            f"{style}{api.lower()}",
        )
        for api in apis
    ]


def _histogram(stage: BenchStage, earlier: Earlier | None) -> str:
    """Return the shares of the latencies with percentiles, and those of the earlier benchmark as an outline."""
    if stage.latency is None:
        return ""
    before = earlier.stage(stage.name) if earlier else None
    buckets, old = _shares(stage), _shares(before)
    ends = [edge for start, end, _ in (*buckets, *old) for edge in (start, end)]
    x = plots.x_axis("latency in ms", ends, logarithmic=True)
    y = plots.y_axis("% of answers", (share for _, _, share in (*buckets, *old)))
    values = {name: _latency(field, stage) for name, field in PERCENTILES}
    marks = [(f"{name} {milliseconds(value)} ms", value) for name, value in values.items()]
    bars = Bars(f"Latencies of {stage.name}", stage.api.lower(), buckets, marks, old)
    return plots.histogram(bars, x, y)


def milliseconds(value: float) -> str:
    """Return a latency with three digits or more, without its unit."""
    digits = 2 if value < 10 else 1 if value < 100 else 0
    return f"{value:,.{digits}f}"


def _shares(stage: BenchStage | None) -> list[Bucket]:
    """Return the buckets with start, end, and percent of the answers."""
    whole = sum(bucket.requests for bucket in stage.histogram) if stage else 0
    if stage is None or not whole:
        return []
    return [
        Bucket(bucket.up_to_ms / BUCKET_GROWTH, bucket.up_to_ms, 100 * bucket.requests / whole)
        for bucket in stage.histogram
        if bucket.up_to_ms > 0
    ]
