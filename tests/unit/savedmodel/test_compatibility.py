"""The rules that tell a compatible version from a breaking one."""

from __future__ import annotations

import pytest

from deployer.results.model import Signature, TensorSpec
from deployer.savedmodel.compatibility import breaks, compare

PREDICT = "tensorflow/serving/predict"


def specs(text: str) -> tuple[TensorSpec, ...]:
    parts = (part.partition(" ") for part in text.split("; ") if part)
    return tuple(
        TensorSpec(name, shape[:-4], None) if shape.endswith("[..]") else TensorSpec.parse(f"{name}:{shape}")
        for name, _, shape in parts
    )


def signature(inputs: str, outputs: str, name: str = "serving_default", method: str = PREDICT) -> Signature:
    return Signature(name, method, specs(inputs), specs(outputs))


@pytest.mark.parametrize(
    ("old", "new", "breaking", "says"),
    [
        ("x float32[?,4]", "x float32[?,4]; z float32[?]", True, "input z: float32[?] is new"),
        ("x float32[?,4]; z float32[?]", "x float32[?,4]", True, "input z: float32[?] is gone"),
        ("x float32[?,4]", "x float64[?,4]", True, "input x: float64[?,4], not float32[?,4]"),
        ("x float32[?,4]", "x float32[?,5]", True, "input x: float32[?,5], not float32[?,4]"),
        ("x float32[?,4]", "x float32[1,4]", True, "input x: float32[1,4], not float32[?,4]"),
        ("x float32[?,4]", "x float32[?,4,1]", True, "input x"),
        ("x float32[..]", "x float32[?]", True, "input x"),
        ("x float32[1,4]", "x float32[?,4]", False, "input x: float32[?,4], not float32[1,4]"),
        ("x float32[?,4]", "x float32[?,?]", False, "input x"),
        ("x float32[?,4]", "x float32[..]", False, "input x: float32 of any shape"),
    ],
)
def test_inputs_may_become_wider_and_nothing_else(old, new, breaking, says):
    changes = compare([signature(old, "y int64[?]")], [signature(new, "y int64[?]")])
    assert [change.breaking for change in changes] == [breaking]
    assert breaks(changes) == breaking
    assert says in f"{changes[0].place}: {changes[0].detail}"


@pytest.mark.parametrize(
    ("old", "new", "breaking"),
    [
        ("y float32[?]", "y float32[?]; z float32[?]", True),
        ("y float32[?]; z float32[?]", "w int64[?]; y float32[?]; z float32[?]", False),
        ("y float32[?]; z float32[?]", "y float32[?]", True),
        ("y float32[?]", "y float64[?]", True),
        ("y float32[?,3]", "y float32[?,4]", True),
        ("y float32[?,3]", "y float32[?,?]", True),
        ("y float32[?,3]", "y float32[..]", True),
        ("y float32[?,?]", "y float32[?,3]", False),
        ("y float32[..]", "y float32[?]", False),
    ],
)
def test_outputs_may_become_narrower_and_more_where_they_have_names(old, new, breaking):
    changes = compare([signature("x int64[?]", old)], [signature("x int64[?]", new)])
    assert [change.breaking for change in changes] == [breaking]
    assert changes[0].place.startswith("output ")


def test_a_renamed_output_is_one_gone_and_one_new():
    changes = compare([signature("x int64[?]", "y int64[?]")], [signature("x int64[?]", "z int64[?]")])
    assert [(change.place, change.breaking) for change in changes] == [("output y", True), ("output z", True)]


def test_signatures_come_go_and_change_their_method():
    one = signature("inputs string[?]", "outputs float32[?]")
    other = signature("x int64[?]", "y int64[?]", name="other")
    assert compare([one, other], [other, one]) == ()
    assert [(found.signature, found.breaking) for found in compare([one], [one, other])] == [("other", False)]
    assert [(found.signature, found.breaking) for found in compare([one, other], [one])] == [("other", True)]
    classified = signature("inputs string[?]", "outputs float32[?]", method="tensorflow/serving/classify")
    (change,) = compare([one], [classified])
    assert change.breaking
    assert change.detail == "called by tensorflow/serving/classify, not tensorflow/serving/predict"
