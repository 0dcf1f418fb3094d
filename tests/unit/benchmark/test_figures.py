"""The figures of a stage: rates, failures by kind, and why a rate could not be offered."""

from __future__ import annotations

from collections import Counter

import pytest

from deployer.benchmark import figures
from deployer.benchmark.histogram import Histogram
from deployer.benchmark.job import REST, Measured, Stage
from deployer.results.bench import FailureCount

STAGE = Stage(REST, 100.0, 64, 1.0, 2.0)


def measured(answers: int = 100, **more) -> Measured:
    latencies = Histogram()
    for _ in range(answers):
        latencies.add(0.01)
    return Measured(latencies, sent=answers, seconds=2.0, **more)


def test_rates_and_latencies():
    found = figures.of_stage(STAGE, measured(200))
    assert (found.requests, found.offered_per_second, found.answered_per_second) == (200, 100.0, 100.0)
    assert found.latency is not None
    assert found.latency.p50_ms == found.latency.max_ms == 10.0
    assert sum(bucket.requests for bucket in found.histogram) == 200
    assert (found.failed, found.failures, found.limit) == (0, (), "")


def test_failures_by_kind_without_latency():
    seen = measured(10, failures=Counter(refused=2, deadline=5), examples={"refused": "no", "deadline": "late"})
    found = figures.of_stage(STAGE, seen, (3, 1, "off"))
    assert found.failures == (FailureCount("deadline", 5, "late"), FailureCount("refused", 2, "no"))
    assert (found.requests, found.failed, found.checked, found.wrong) == (17, 7, 3, 1)
    assert sum(bucket.requests for bucket in found.histogram) == 10


def test_a_stage_without_an_answer():
    found = figures.of_stage(STAGE, measured(0))
    assert (found.latency, found.histogram, found.answered_per_second) == (None, (), 0.0)


@pytest.mark.parametrize(
    ("more", "reason"),
    [
        ({"unsent": 1}, ""),
        ({"unsent": 100, "held_back": 9}, "all 64 connections were waiting for answers"),
        (
            {"unsent": 100, "held_back": 9, "processor": 0.97},
            "the load generator used 97% of a processor; --processes adds processes",
        ),
        ({"unsent": 100}, "this machine was too busy to send them"),
    ],
)
def test_why_a_rate_could_not_be_offered(more, reason):
    assert figures.of_stage(STAGE, measured(100, **more)).limit == reason


def test_the_closed_loop_has_no_rate_to_offer():
    assert figures.of_stage(Stage(REST, None, 8, 1.0, 2.0), measured(100, unsent=100)).limit == ""
