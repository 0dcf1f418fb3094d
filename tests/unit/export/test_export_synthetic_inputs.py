"""Example inputs that are made from a signature. The models are plain functions that refuse as TensorFlow does."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from deployer.export.golden import synthetic_inputs
from deployer.export.golden.session import InputRefused
from deployer.results.model import Shape, Signature, TensorSpec


def signature(*inputs: TensorSpec, outputs: tuple[TensorSpec, ...] = ()) -> Signature:
    return Signature("serving_default", "tensorflow/serving/predict", inputs, outputs)


def taken(feed: synthetic_inputs.Feed) -> dict[str, Any]:
    return {"sum": feed}


def x_of(found: synthetic_inputs.SyntheticSet) -> list[Any]:
    return [feed["x"] for feed, _ in found.answers]


@pytest.mark.parametrize(
    "dtype",
    "float16 bfloat16 float32 float64 int8 int16 int32 int64 uint8 uint16 uint32 uint64 bool string complex64".split(),
)
def test_every_dtype_is_made_the_same_every_time(dtype: str) -> None:
    asked = signature(TensorSpec("x", dtype, (None, 3)))
    first, second = (
        x_of(synthetic_inputs.accepted(asked, taken)),
        x_of(synthetic_inputs.accepted(asked, taken)),
    )
    assert [array.shape[0] for array in first[:2]] == [1, 3]
    assert len(first) >= 3
    assert {str(array.dtype) for array in first} == {"object" if dtype == "string" else dtype}
    assert [array.tolist() for array in first] == [array.tolist() for array in second]


@pytest.mark.parametrize(
    ("shape", "first"), [((None, None), (1, 4)), ((2, 3), (2, 3)), ((), ()), (None, (1, 4)), ((None, 0), (1, 0))]
)
def test_shapes_are_as_declared_and_open_ones_modest(shape: Shape, first: tuple[int, ...]) -> None:
    assert x_of(synthetic_inputs.accepted(signature(TensorSpec("x", "float32", shape)), taken))[0].shape == first


def test_a_size_that_is_refused_is_followed_by_another() -> None:
    def wants_28(feed: synthetic_inputs.Feed) -> dict[str, Any]:
        if feed["x"].shape[1:3] != (28, 28):
            raise InputRefused("wrong size")
        return {}

    found = x_of(synthetic_inputs.accepted(signature(TensorSpec("x", "float32", (None, None, None, 1))), wants_28))
    assert [array.shape for array in found] == [(1, 28, 28, 1), *[(3, 28, 28, 1)] * 3]


def lengths(found: synthetic_inputs.SyntheticSet, name: str = "x") -> list[tuple[int, ...]]:
    return [feed[name].shape for feed, _ in found.answers]


@pytest.mark.parametrize(
    ("shapes", "second"),
    [
        ([(None, None)], [(3, 7)]),
        ([(None, None, 2), (None, None)], [(3, 7, 2), (3, 4, 2), (3, 7, 2)]),
        ([(None, None, None, 3)], [(3, 7, 7, 3), (3, 4, 7, 3), (3, 7, 4, 3)]),
        ([None], [(3, 7)]),
        ([(2, None)], [(2, 7)]),
        ([(None, 5)], []),
    ],
)
def test_open_dimensions_are_asked_with_two_lengths_that_no_batch_has(
    shapes: list[Shape], second: list[tuple[int, ...]]
) -> None:
    specs = [TensorSpec("xyz"[place], "float32", shape) for place, shape in enumerate(shapes)]
    found = lengths(synthetic_inputs.accepted(signature(*specs), taken))
    assert found[2 : 2 + len(second)] == second
    assert len(found) == 2 + len(second) + 2


def test_lengths_of_several_inputs_are_asked_equal_and_apart() -> None:
    specs = (TensorSpec("x", "float32", (None, None)), TensorSpec("y", "float32", (None, None)))
    found = synthetic_inputs.accepted(signature(*specs), taken)
    pairs = [(x[1], y[1]) for x, y in zip(lengths(found, "x"), lengths(found, "y"), strict=True)]
    assert pairs[:5] == [(4, 4), (4, 4), (7, 7), (4, 7), (7, 4)]


def test_lengths_that_belong_together_are_asked_equal_and_noted() -> None:
    def tied(feed: synthetic_inputs.Feed) -> dict[str, Any]:
        if feed["x"].shape != feed["y"].shape:
            raise InputRefused("they differ")
        return {}

    specs = (TensorSpec("x", "float32", (None, None)), TensorSpec("y", "float32", (None, None)))
    found = synthetic_inputs.accepted(signature(*specs), tied)
    assert [shape[1] for shape in lengths(found)] == [4, 4, 7, 4, 4]
    assert ["one length for all" in note for note in found.notes] == [True]


@pytest.mark.parametrize(("takes", "second", "notes"), [((4, 12), 12, 0), ((28, 64), 64, 0), ((8,), None, 1)])
def test_a_second_length_is_looked_for_and_its_lack_noted(takes, second, notes) -> None:  # type: ignore[no-untyped-def]
    def only_some(feed: synthetic_inputs.Feed) -> dict[str, Any]:
        if feed["x"].shape[1] not in takes:
            raise InputRefused("length")
        return {}

    found = synthetic_inputs.accepted(signature(TensorSpec("x", "float32", (None, None))), only_some)
    assert {shape[1] for shape in lengths(found)} == {length for length in takes if length in (takes[0], second)}
    assert len(found.notes) == notes


def wants_ranks(**ranks: int) -> Any:
    def run(feed: synthetic_inputs.Feed) -> dict[str, Any]:
        for name, rank in ranks.items():
            if feed[name].ndim != rank:
                raise InputRefused(f"{name} has another rank")
        return {}

    return run


@pytest.mark.parametrize(
    "ranks", [{"x": 0}, {"x": 2, "rate": 0}, {"x": 1, "rate": 0}, {"x": 0, "rate": 0}, {"a": 0, "b": 2, "c": 0}]
)
@pytest.mark.parametrize("dtype", ["float32", "int32", "bool", "string"])
def test_inputs_of_unknown_rank_may_be_scalars_each_by_itself(ranks: dict[str, int], dtype: str) -> None:
    specs = [TensorSpec(name, dtype, None) for name in ranks]
    found = synthetic_inputs.accepted(signature(*specs), wants_ranks(**ranks))
    for feed, _ in found.answers:
        assert {name: array.ndim for name, array in feed.items()} == ranks


def test_a_scalar_goes_with_inputs_that_have_shapes() -> None:
    specs = (TensorSpec("x", "float32", (None, 3)), TensorSpec("rate", "float32", None))
    found = synthetic_inputs.accepted(signature(*specs), wants_ranks(rate=0))
    assert lengths(found, "x")[:2] == [(1, 3), (3, 3)]


def test_choices_of_scalars_are_bounded() -> None:
    specs = [TensorSpec(f"x{place}", "float32", None) for place in range(40)]
    assert len(list(synthetic_inputs.settings(signature(*specs)))) <= synthetic_inputs.MAX_SCALARS * 36


def test_values_that_are_refused_become_narrower_and_edges_are_dropped() -> None:
    def looks_up_two_rows(feed: synthetic_inputs.Feed) -> dict[str, Any]:
        if feed["x"].min() < 0 or feed["x"].max() > 1:
            raise InputRefused("index out of range")
        return {}

    found = x_of(synthetic_inputs.accepted(signature(TensorSpec("x", "int32", (None, 20))), looks_up_two_rows))
    assert [array.shape for array in found] == [(1, 20), (3, 20), (3, 20)]
    assert {value for array in found for value in array.ravel().tolist()} == {0, 1}


def test_a_model_that_takes_one_example_at_a_time_keeps_that() -> None:
    def one_at_a_time(feed: synthetic_inputs.Feed) -> dict[str, Any]:
        if len(feed["x"]) != 1:
            raise InputRefused("one at a time")
        return {}

    assert [
        array.shape
        for array in x_of(synthetic_inputs.accepted(signature(TensorSpec("x", "float32", (None, 2))), one_at_a_time))
    ] == [(1, 2)]


def test_a_model_that_takes_nothing_tells_its_first_reason() -> None:
    def picky(feed: synthetic_inputs.Feed) -> dict[str, Any]:
        raise InputRefused(f"no {feed['x'].shape[1]}")

    with pytest.raises(InputRefused, match="no 4"):
        synthetic_inputs.accepted(signature(TensorSpec("x", "float32", (None, None))), picky)


def test_inputs_too_large_to_make_up_are_not_made_up() -> None:
    with pytest.raises(InputRefused, match="too large"):
        synthetic_inputs.accepted(signature(TensorSpec("x", "float32", (None, 5000, 5000))), taken)


def test_a_signature_without_inputs_is_asked_once() -> None:
    assert synthetic_inputs.accepted(signature(), lambda feed: {"y": len(feed)}).answers == [({}, {"y": 0})]


def test_bytes_that_are_no_text_only_where_none_come_back_as_text() -> None:
    def values(output: str) -> set[bytes]:
        asked = signature(TensorSpec("x", "string", (None,)), outputs=(TensorSpec(output, "string", (None,)),))
        return {value for array in x_of(synthetic_inputs.accepted(asked, taken)) for value in array.ravel().tolist()}

    assert b"\xff\x00\x01" in values("raw_bytes")
    assert b"\xff\x00\x01" not in values("text")
    assert {b"", "ünïcödé 漢字".encode()} <= values("text")


def test_floats_hold_no_nan_and_stay_moderate() -> None:
    found = x_of(synthetic_inputs.accepted(signature(TensorSpec("x", "float32", (None, 8))), taken))
    assert all(np.isfinite(array).all() and np.abs(array).max() <= 10 for array in found)
    assert {0.0, -10.0, 10.0} <= {round(float(value), 3) for array in found for value in array.ravel()}
