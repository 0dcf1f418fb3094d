"""Example inputs that are made from a signature. The models are plain functions that refuse as TensorFlow does."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from deployer.export.golden import made
from deployer.export.golden.session import Refused
from deployer.model import Shape, Signature, TensorSpec


def signature(*inputs: TensorSpec, outputs: tuple[TensorSpec, ...] = ()) -> Signature:
    return Signature("serving_default", "tensorflow/serving/predict", inputs, outputs)


def taken(feed: made.Feed) -> dict[str, Any]:
    return {"sum": feed}


def x_of(found: list[made.Answered]) -> list[Any]:
    return [feed["x"] for feed, _ in found]


@pytest.mark.parametrize(
    "dtype",
    "float16 bfloat16 float32 float64 int8 int16 int32 int64 uint8 uint16 uint32 uint64 bool string complex64".split(),
)
def test_every_dtype_is_made_the_same_every_time(dtype: str) -> None:
    asked = signature(TensorSpec("x", dtype, (None, 3)))
    first, second = x_of(made.answered(asked, taken)), x_of(made.answered(asked, taken))
    assert [array.shape[0] for array in first[:2]] == [1, 3]
    assert len(first) >= 3
    assert {str(array.dtype) for array in first} == {"object" if dtype == "string" else dtype}
    assert [array.tolist() for array in first] == [array.tolist() for array in second]


@pytest.mark.parametrize(
    ("shape", "first"), [((None, None), (1, 4)), ((2, 3), (2, 3)), ((), ()), (None, (1, 4)), ((None, 0), (1, 0))]
)
def test_shapes_are_as_declared_and_open_ones_modest(shape: Shape, first: tuple[int, ...]) -> None:
    assert x_of(made.answered(signature(TensorSpec("x", "float32", shape)), taken))[0].shape == first


def test_a_size_that_is_refused_is_followed_by_another() -> None:
    def wants_28(feed: made.Feed) -> dict[str, Any]:
        if feed["x"].shape[1:3] != (28, 28):
            raise Refused("wrong size")
        return {}

    found = x_of(made.answered(signature(TensorSpec("x", "float32", (None, None, None, 1))), wants_28))
    assert [array.shape for array in found] == [(1, 28, 28, 1), *[(3, 28, 28, 1)] * 3]


def test_values_that_are_refused_become_narrower_and_edges_are_dropped() -> None:
    def looks_up_two_rows(feed: made.Feed) -> dict[str, Any]:
        if feed["x"].min() < 0 or feed["x"].max() > 1:
            raise Refused("index out of range")
        return {}

    found = x_of(made.answered(signature(TensorSpec("x", "int32", (None, 20))), looks_up_two_rows))
    assert [array.shape for array in found] == [(1, 20), (3, 20), (3, 20)]
    assert {value for array in found for value in array.ravel().tolist()} == {0, 1}


def test_a_model_that_takes_one_example_at_a_time_keeps_that() -> None:
    def one_at_a_time(feed: made.Feed) -> dict[str, Any]:
        if len(feed["x"]) != 1:
            raise Refused("one at a time")
        return {}

    assert [
        array.shape for array in x_of(made.answered(signature(TensorSpec("x", "float32", (None, 2))), one_at_a_time))
    ] == [(1, 2)]


def test_a_model_that_takes_nothing_tells_its_first_reason() -> None:
    def picky(feed: made.Feed) -> dict[str, Any]:
        raise Refused(f"no {feed['x'].shape[1]}")

    with pytest.raises(Refused, match="no 4"):
        made.answered(signature(TensorSpec("x", "float32", (None, None))), picky)


def test_inputs_too_large_to_make_up_are_not_made_up() -> None:
    with pytest.raises(Refused, match="too large"):
        made.answered(signature(TensorSpec("x", "float32", (None, 5000, 5000))), taken)


def test_a_signature_without_inputs_is_asked_once() -> None:
    assert made.answered(signature(), lambda feed: {"y": len(feed)}) == [({}, {"y": 0})]


def test_bytes_that_are_no_text_only_where_none_come_back_as_text() -> None:
    def values(output: str) -> set[bytes]:
        asked = signature(TensorSpec("x", "string", (None,)), outputs=(TensorSpec(output, "string", (None,)),))
        return {value for array in x_of(made.answered(asked, taken)) for value in array.ravel().tolist()}

    assert b"\xff\x00\x01" in values("raw_bytes")
    assert b"\xff\x00\x01" not in values("text")
    assert {b"", "ünïcödé 漢字".encode()} <= values("text")


def test_floats_hold_no_nan_and_stay_moderate() -> None:
    found = x_of(made.answered(signature(TensorSpec("x", "float32", (None, 8))), taken))
    assert all(np.isfinite(array).all() and np.abs(array).max() <= 10 for array in found)
    assert {0.0, -10.0, 10.0} <= {round(float(value), 3) for array in found for value in array.ravel()}
