"""Loads that can be asked for, and those that are refused."""

from __future__ import annotations

import math

import pytest

from deployer.benchmark.job import GRPC, REST, Stage
from deployer.benchmark.options import BenchOptions
from deployer.errors import InvalidValue


def test_a_moderate_rate_over_both_apis_by_default():
    assert BenchOptions().stages() == (Stage(REST, 100.0, 100, 1.0, 10.0), Stage(GRPC, 100.0, 100, 1.0, 10.0))


def test_rates_then_clients_for_each_api():
    options = BenchOptions(rate=(50.0, 500.0), clients=(8,), api="rest", duration=2.0, warmup=0.0, connections=7)
    assert options.stages() == (
        Stage(REST, 50.0, 7, 0.0, 2.0),
        Stage(REST, 500.0, 7, 0.0, 2.0),
        Stage(REST, None, 8, 0.0, 2.0),
    )


def test_clients_alone_send_at_no_rate():
    assert [str(stage) for stage in BenchOptions(clients=(1,), api="grpc").stages()] == ["gRPC with 1 client"]


@pytest.mark.parametrize(
    "given",
    [
        *({"rate": (rate,)} for rate in (0.0, -1.0, math.inf, math.nan, 1e7)),
        *({"duration": seconds} for seconds in (0.0, -1.0, math.inf, math.nan, 1e6)),
        *({"warmup": seconds} for seconds in (-1.0, math.inf, math.nan)),
        *({"deadline": seconds} for seconds in (0.0, -1.0, math.nan)),
        *({"clients": (number,)} for number in (0, -1, 100_000)),
        *({"connections": number} for number in (0, -1, 100_000)),
        *({"processes": number} for number in (0, -1, 1000)),
        {"api": "soap"},
    ],
    ids=str,
)
def test_what_cannot_be_is_refused(given):
    (option,) = given
    with pytest.raises(InvalidValue, match=f"--{option}"):
        BenchOptions(**given)
