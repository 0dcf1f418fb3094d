"""An earlier benchmark is read as `--json` printed it, and refused if it is anything else."""

from __future__ import annotations

import dataclasses
import gc
import json

import pytest
from support.results import BENCH, CLOSED, LATENCY, STAGE

from deployer.benchmark import earlier
from deployer.console import objects
from deployer.errors import UsageError


@pytest.fixture
def written(tmp_path):
    """Writes a document in the place of a benchmark, changed by a function."""

    def write(change=lambda document: document):
        path = tmp_path / "before.json"
        path.write_text(json.dumps(change({"schema": 1, **objects.json_value(BENCH)})))
        return path

    return write


def test_what_was_printed_is_read(written):
    found = earlier.read(written())
    assert found.stages == BENCH.stages
    assert (found.model, found.version, found.engine) == ("m", 2, "embedded")


def test_stages_are_compared_with_those_of_the_same_load(written):
    slow = dataclasses.replace(LATENCY, p50_ms=2.5, p99_ms=10.0)
    now = (dataclasses.replace(STAGE, latency=slow, answered_per_second=48.5), dataclasses.replace(STAGE, rate=7.0))
    (change,) = earlier.changes(now, earlier.read(written()))
    assert (change.stage, change.p50_before_ms, change.p50_ratio) == ("REST at 100/s", 1.25, 2.0)
    assert (change.p99_before_ms, change.p99_ratio, change.answered_ratio) == (20.0, 0.5, 0.5)


def test_a_stage_without_answers_has_no_ratios(written):
    dead = dataclasses.replace(CLOSED, latency=None, answered_per_second=0.0)
    (change,) = earlier.changes((dead,), earlier.read(written()))
    assert (change.p50_before_ms, change.p50_ratio, change.answered_ratio) == (1.25, None, 0.0)


def test_a_comparison_of_different_things_is_noticed(written):
    other = dataclasses.replace(BENCH, version=3)
    (notice,) = earlier.notices(other, earlier.read(written()))
    assert "is of m:2 on embedded" in notice
    assert list(earlier.notices(BENCH, earlier.read(written()))) == []


def test_a_comparison_without_a_common_stage_is_noticed(written):
    other = dataclasses.replace(BENCH, stages=(dataclasses.replace(STAGE, rate=1.0),))
    (notice,) = earlier.notices(other, earlier.read(written()))
    assert "nothing is compared" in notice


def with_stage(**fields):
    def change(document):
        document["stages"][0] |= fields
        return document

    return change


@pytest.mark.parametrize(
    "change",
    [
        lambda _: [],
        lambda _: {"schema": 1, "deployments": []},
        lambda document: document | {"stages": 3},
        lambda document: document | {"stages": [3]},
        with_stage(rate="100"),
        with_stage(rate=float("nan")),
        with_stage(answered_per_second=-1.0),
        with_stage(answered_per_second=float("inf")),
        with_stage(histogram=[{"up_to_ms": 1e300, "requests": 1}]),
        with_stage(histogram=[{"up_to_ms": 1.0}]),
        with_stage(latency={"p50_ms": 1}),
        with_stage(api=["REST"]),
        with_stage(clients=10**400),
    ],
)
def test_what_is_no_benchmark_is_refused(written, change):
    with pytest.raises(UsageError, match="is no benchmark"):
        earlier.read(written(change))


@pytest.mark.parametrize("content", [None, b"", b"\xff", b"[" * 100_000, b"{"])
def test_a_file_that_cannot_be_read_is_refused(tmp_path, content):
    path = tmp_path / "before.json"
    if content is not None:
        path.write_bytes(content)
    gc.collect()  # finalizers of what other tests left would fail at the depth where the parser gives up
    with pytest.raises(UsageError, match=r"before\.json"):
        earlier.read(path)
