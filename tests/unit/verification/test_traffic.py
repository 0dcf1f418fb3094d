"""Figures of measured traffic, and what counts as a failure."""

from __future__ import annotations

import struct

import numpy as np
import pytest

from deployer.client import tf_examples
from deployer.errors import RequestFailed
from deployer.results.model import GoldenSummary, Model, SavedModelInfo, Signature, Source, TensorSpec
from deployer.verification import golden
from deployer.verification.golden import GoldenCase, Tolerance
from deployer.verification.traffic import (
    AFTER,
    BEFORE,
    DURING,
    GoldenRequest,
    Sample,
    Traffic,
    figures,
    golden_requests,
)

SIGNATURE = Signature(
    "serving_default",
    "tensorflow/serving/predict",
    (TensorSpec("x", "float32", (None,)),),
    (TensorSpec("y", "float32", (None,)),),
)
CASE = GoldenCase("serving_default", {"x": np.float32([1.0])}, {"y": np.float32([2.0])})


@pytest.fixture
def model(tmp_path) -> Model:
    info = SavedModelInfo((SIGNATURE,), ("serve",), "2.21.0", None, None, 1)
    return Model("m", 2, tmp_path, "digest", info, Source("keras", "x", None), GoldenSummary(1, "made"), "2026")


class Server:
    """Answers with a value, by a version, or fails."""

    seconds = 1.0

    def __init__(self, version: int, value: float, error: str = "") -> None:
        self.version, self.value, self.error = version, value, error

    def predict_grpc(self, question, inputs):
        if self.error:
            raise RequestFailed(self.error)
        return self.version, {"y": np.float32([self.value])}

    def predict_rest(self, question, inputs, outputs):
        return self.predict_grpc(question, inputs)[1]


def fault(model: Model, api: str, server: Server, *serving: int, case: GoldenCase = CASE) -> str:
    traffic = Traffic(server, (), 1.0, Tolerance(), {"m": frozenset(serving)})
    return traffic._fault(GoldenRequest(model, case, api), traffic.serving)


@pytest.mark.parametrize("api", ["REST", "gRPC"])
def test_a_golden_answer_of_the_version_that_serves_is_good_and_any_other_a_failure(model, api):
    assert fault(model, api, Server(2, 2.0), 2) == ""
    assert "serving_default/y" in fault(model, api, Server(2, 3.0), 2)
    assert "no route" in fault(model, api, Server(2, 2.0, "no route"), 2)


EXAMPLES = GoldenCase(
    "serving_default", {"inputs": tf_examples.string_array([tf_examples.build({"x": [1.0]})])},
    {"outputs": np.float32([2.0])}, tf_examples.REGRESS,
)  # fmt: skip


@pytest.mark.parametrize("api", ["REST", "gRPC"])
def test_questions_to_classify_and_regress_are_asked_as_such(model, api):
    class Regressor(Server):
        def examples_grpc(self, question, method, examples):
            assert (method, question.version, len(examples)) == ("regress", None, 1)
            return self.version, {"outputs": np.float32([self.value])}

        def examples_rest(self, question, method, examples):
            return self.examples_grpc(question, method, examples)[1]

    assert fault(model, api, Regressor(2, 2.0), 2, case=EXAMPLES) == ""
    assert "serving_default/outputs" in fault(model, api, Regressor(2, 3.0), 2, case=EXAMPLES)


def test_every_golden_question_is_asked_at_both_apis(model):
    path = model.path / golden.GOLDEN_FILE
    path.parent.mkdir()
    records = [golden.to_record(case) for case in (CASE, EXAMPLES)]
    path.write_bytes(b"".join(struct.pack("<QI", len(data), 0) + data + bytes(4) for data in records))
    asked = [(found.case.method, found.api) for found in golden_requests([model])]
    assert asked == [(method, api) for method in ("predict", "regress") for api in ("REST", "gRPC")]


def test_a_version_that_may_not_serve_is_a_failure_whatever_it_answers(model):
    assert "version 3 answered, which may not serve" in fault(model, "gRPC", Server(3, 2.0), 1, 2)
    assert fault(model, "gRPC", Server(1, 9.0), 1, 2) == ""
    assert fault(model, "REST", Server(1, 9.0), 1, 2) == ""


def test_figures_tell_requests_failures_gap_and_times_of_each_phase():
    samples = (
        Sample(BEFORE, 0.0, 0.010),
        Sample(DURING, 0.1, 0.120),
        Sample(DURING, 0.2, 0.600, "cut"),
        Sample(DURING, 0.3, 0.700),
        Sample(AFTER, 0.8, 0.805),
    )
    seen = figures(10.0, samples, 0.0, 0.9)
    assert (seen.requests, seen.failures, seen.first_failure, seen.longest_gap_ms) == (5, 1, "cut", 580.0)
    assert (seen.before.requests, seen.before.p50_ms) == (1, 10.0)
    assert (seen.during.requests, seen.during.failures, seen.during.p50_ms, seen.during.p99_ms) == (3, 1, 210.0, 400.0)
    assert seen.after.p99_ms == 5.0


@pytest.mark.parametrize(
    ("first", "last", "until", "gap"),
    [
        ("", "", 0.25, 150.0),
        ("cut", "", 0.25, 200.0),
        ("", "cut", 0.25, 200.0),
        ("cut", "cut", 0.25, 250.0),
        ("", "", 9.0, 8800.0),
    ],
)
def test_a_silence_counts_before_the_first_good_answer_and_after_the_last(first, last, until, gap):
    """A server that died when the change began, or that still keeps everybody waiting."""
    samples = (Sample(BEFORE, 0.0, 0.05, first), Sample(AFTER, 0.1, 0.2, last))
    assert figures(10.0, samples, 0.0, until).longest_gap_ms == gap


def test_figures_of_nothing_have_no_times():
    seen = figures(10.0, (), 0.0, 0.0)
    assert (seen.requests, seen.longest_gap_ms, seen.during.p50_ms, seen.during.p99_ms) == (0, 0.0, None, None)
