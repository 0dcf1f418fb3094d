"""Whether the saved model answers as its source: what is a difference, and what the error says."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from deployer.errors import ModelError, SourceDiffers
from deployer.export.golden import fidelity
from deployer.export.golden.source_answers import SourceAnswers
from deployer.results.model import GoldenSummary, Signature, TensorSpec
from deployer.verification.golden import GoldenCase

OPEN = Signature("s", "m", (TensorSpec("x", "float32", (None, None, 2)),), ())
FIXED = Signature("s", "m", (TensorSpec("x", "float32", (None, 2)),), ())


def case(array: Any, rows: tuple[int, ...] = (1, 4, 2)) -> GoldenCase:
    return GoldenCase("s", {"x": np.zeros(rows, np.float32)}, {"y": np.asarray(array)})


@pytest.mark.parametrize(
    ("source", "saved"),
    [
        (np.zeros((1, 4, 1), np.float32), np.zeros((1, 1, 1), np.float32)),
        (np.float32([1, 100]), np.float32([1, 101])),
        (np.float32([1, 2]), np.float32([1, np.nan])),
        (np.float32([1, 2]), np.float64([1, 2])),
        (np.int64([1, 2]), np.int64([1, 3])),
        (np.array([b"a"], object), np.array([b"b"], object)),
    ],
)
def test_another_shape_dtype_or_value_is_refused(source, saved):
    with pytest.raises(SourceDiffers, match="output 'y'") as caught:
        fidelity.check(OPEN, case(source), case(saved), ())
    assert isinstance(caught.value, ModelError)
    assert caught.value.exit_code == 4
    assert "x: float32[1, 4, 2]" in caught.value.message
    assert "--input 'x:float32[?,4,2]'" in str(caught.value.hint)


@pytest.mark.parametrize(
    ("source", "saved", "half_precision"),
    [
        (np.float32([1, 1000]), np.float32([1.01, 1000.1]), False),
        (np.float32([np.nan, np.inf]), np.float32([np.nan, np.inf]), False),
        (np.float32([1, 2]), np.float32([1.02, 2.01]), True),
        (np.zeros((0, 2), np.float32), np.zeros((0, 2), np.float32), False),
        (np.complex64([1 + 1j]), np.complex64([1 + 1.0001j]), False),
    ],
)
def test_another_order_of_computing_is_no_difference(source, saved, half_precision):
    fidelity.check(OPEN, case(source), case(saved), (), half_precision=half_precision)


def test_random_outputs_are_compared_by_shape():
    fidelity.check(OPEN, case(np.float32([1])), case(np.float32([2])), {"s/y"})
    with pytest.raises(SourceDiffers, match="shape"):
        fidelity.check(OPEN, case(np.float32([1])), case(np.float32([1, 2])), {"s/y"})


def test_the_way_out_names_a_length_only_where_one_is_open():
    error = fidelity.differs_error(FIXED, case([1], (1, 2)), "it refuses")
    assert "--input" not in str(error.hint)


def test_what_is_served_under_another_name_was_asked_too():
    answers = SourceAnswers((case([1]),)).with_alias("s")
    assert [found.signature for found in answers.cases] == ["serving_default", "s"]


@pytest.mark.parametrize(
    ("summary", "says", "whole"),
    [
        (GoldenSummary(1, "made", compared=("s",)), "verified against the source model", True),
        (GoldenSummary(2, "made", compared=("s",), not_compared=("t: no",)), "(s); not compared: t: no", False),
        (GoldenSummary(1, "made", ("s/y",), compared=("s",)), "(s); of s/y shapes and dtypes only", False),
        (GoldenSummary(1, "made", (), ("t: no",), compared=("s",)), "source model (s)", False),
        (GoldenSummary(1, "made", itself=True), "the SavedModel is the source itself, all of it taken over byte", True),
        (GoldenSummary(1, "made", itself=True, rewritten=True), "the source itself, its variables and assets", True),
        (GoldenSummary(1, "made", not_compared=("no",)), "not compared with the source model: no", False),
        (GoldenSummary(1, "made"), "not compared with the source model: the version was made before", False),
        (GoldenSummary(0, "none"), "no golden answers", False),
    ],
)
def test_a_summary_says_whether_the_source_was_asked(summary, says, whole):
    assert says in summary.fidelity
    assert summary.is_whole is whole
