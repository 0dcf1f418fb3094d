"""Which signatures can be batched."""

from __future__ import annotations

import numpy as np
import pytest

from deployer.results.model import Signature, TensorSpec
from deployer.verification.batchable import fixed, problem
from deployer.verification.golden import GoldenCase

GOOD = Signature("good", "m", (TensorSpec.parse("x:float32[?,2]"),), (TensorSpec("y", "float32", None),))


def signature(inputs: list[str], outputs: list[str]) -> Signature:
    return Signature("s", "m", tuple(map(TensorSpec.parse, inputs)), tuple(map(TensorSpec.parse, outputs)))


@pytest.mark.parametrize(
    ("inputs", "outputs", "says"),
    [
        (["x:float32[?,2]"], ["y:float32[?]"], None),
        (["x:float32[?]", "n:int32[]"], ["y:float32[?]"], "input 'n' of signature s, int32[], has no batch dimension"),
        (["x:float32[1,2]"], ["y:float32[?]"], "input 'x' of signature s, float32[1,2], has the fixed batch dimension"),
        (["x:float32[?]"], ["y:float32[]"], "output 'y' of signature s, float32[], has no batch dimension"),
        (["x:float32[?]"], ["y:float32[3]"], "has the fixed batch dimension 3"),
        ([], ["y:float32[?]"], "has no inputs"),
    ],
)
def test_every_input_and_output_needs_an_open_first_dimension(inputs, outputs, says):
    found = problem([GOOD, signature(inputs, outputs)])
    assert found is None if says is None else says in (found or "")


def golden(inputs: dict[str, list], outputs: dict[str, list]) -> GoldenCase:
    arrays = ({name: np.zeros(shape, np.float32) for name, shape in named.items()} for named in (inputs, outputs))
    return GoldenCase("good", *arrays)


@pytest.mark.parametrize(
    ("inputs", "outputs", "says"),
    [
        ({"x": [3, 2]}, {"y": [3]}, None),
        ({"x": [3, 2]}, {"y": [3, 0], "z": [3, 9]}, None),
        ({}, {"y": []}, "output 'y' of signature good has no batch dimension"),
        ({"x": [3, 2]}, {"y": []}, "output 'y' of signature good has no batch dimension"),
        ({"x": [3, 2]}, {"a": [3], "y": [2]}, "output 'y' of signature good has 2 rows when 3 are asked"),
        ({"x": [3, 2]}, {"y": [1, 3]}, "output 'y' of signature good has 1 rows when 3 are asked"),
        ({"x": []}, {"y": []}, "input 'x' of signature good is a scalar"),
        ({"x": [3, 2], "rate": []}, {"y": [3]}, "input 'rate' of signature good is a scalar"),
        ({"x": [3, 2], "z": [1, 2]}, {"y": [3]}, "different numbers of rows"),
    ],
)
def test_golden_answers_show_what_a_signature_leaves_open(inputs, outputs, says):
    found = problem([GOOD], [golden({"x": [1, 2]}, {"y": [1]}), golden(inputs, outputs)])
    assert found is None if says is None else says in (found or "")


@pytest.mark.parametrize(
    ("inputs", "rows"),
    [
        (["x:float32[4,2]"], 4),
        (["x:float32[1,2]", "mask:bool[1]", "k:int32[]"], 1),
        (["x:float32[?,2]"], None),
        (["x:float32[4,2]", "y:float32[?,2]"], None),
        (["x:float32[4,2]", "y:float32[3,2]"], None),
        (["x:float32[4]"], None),
        ([], None),
    ],
)
def test_a_signature_that_takes_one_number_of_rows_only_is_reported(inputs, rows):
    found = fixed([GOOD, signature(inputs, ["y:float32[?]"])])
    assert [line.partition(" (")[0] for line in found] == (
        [f"s can only be asked for batches of {rows}"] if rows else []
    )
