"""Numbers as the original prints them: every way of ours against printf, which the original asks."""

from __future__ import annotations

import json
import math
from collections.abc import Callable

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from deployer.server.rest import json_numbers, json_out

RANDOM = np.random.default_rng(20260101)
# More than one of the pieces that arrays are rounded in.
MANY = 70_000
NOT_FINITE = {"nan": "NaN", "inf": "Infinity", "-inf": "-Infinity"}
FLOAT_BITS = st.integers(0, 2**32 - 1)


def printf(value: float, dtype: type) -> str:
    """One number in the original's own way."""
    text = f"{value:.6g}"
    with np.errstate(over="ignore"):
        if dtype(float(text)) != value:
            text = f"{value:.{9 if dtype is np.float32 else 17}g}"
    return NOT_FINITE.get(text) or (text if set(text) & {".", "e"} else text + ".0")


def check(values: np.ndarray) -> None:
    wanted = [printf(value, values.dtype.type) for value in values.tolist()]
    assert [pair for pair in zip(json_numbers.texts(values), wanted, strict=True) if pair[0] != pair[1]] == []


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (0.2, "0.2"),
        (1 / 3, "0.333333343"),
        (9e6, "9e+06"),
        (1e6, "1e+06"),
        (1e5, "100000.0"),
        (1e-4, "0.0001"),
        (1e-5, "1e-05"),
        (999999.5, "999999.5"),
        (16777216, "16777216.0"),
        (1435774380, "1.43577434e+09"),
        (-0.0, "-0.0"),
        (1e20, "1e+20"),
        (math.nan, "NaN"),
        (math.inf, "Infinity"),
        (-math.inf, "-Infinity"),
    ],
)
def test_floats_are_printed_as_the_original_prints_them(value: float, text: str) -> None:
    for number in (1, 100):
        assert json_numbers.texts(np.full(number, value, np.float32)) == [text] * number


@pytest.mark.parametrize(
    "make",
    [
        lambda: RANDOM.integers(0, 1 << 32, MANY, dtype=np.uint32).view(np.float32),
        lambda: 10 ** RANDOM.uniform(-7, 11, MANY),
        lambda: 10 ** RANDOM.uniform(-16, -3, MANY),
        lambda: RANDOM.integers(0, 10**6, MANY) * 10.0 ** RANDOM.integers(-8, 9),
        lambda: np.arange(MANY) / 8192 * RANDOM.choice([-1, 1], MANY),
        lambda: 10.0 ** np.arange(-45, 39),
    ],
    ids=["any bits", "usual magnitudes", "small magnitudes", "six digits", "ties", "powers of ten"],
)
def test_many_floats_are_printed_as_one_alone(make: Callable[[], np.ndarray]) -> None:
    check(make().astype(np.float32))


def test_the_neighbours_of_powers_of_ten_are_told_apart() -> None:
    powers = np.float32([float(f"{digits}e{exponent}") for exponent in range(-37, 38) for digits in ("1", "9.999995")])
    near = powers.view(np.int32)[:, None] + np.arange(-20, 21, dtype=np.int32)
    check(near.view(np.float32).ravel())


@given(arrays.arrays(np.uint32, st.integers(0, 60), elements=FLOAT_BITS))
def test_whatever_their_number_floats_read_back(bits: np.ndarray) -> None:
    values = bits.view(np.float32)
    check(values)
    again = np.array([float(text) for text in json_numbers.texts(values)])
    np.testing.assert_array_equal(again.astype(np.float32), values)


@given(arrays.arrays(np.float64, st.integers(0, 60)))
def test_doubles_have_seventeen_digits(values: np.ndarray) -> None:
    check(values)


@pytest.mark.parametrize("dtype", [np.int8, np.uint8, np.int16, np.int32, np.int64, np.uint32, np.uint64])
def test_whole_numbers_are_plain_digits(dtype: type) -> None:
    limits = np.iinfo(dtype)
    values = np.array([limits.min, limits.max, 0, 7] * 10, dtype)
    assert json_numbers.texts(values) == list(map(str, values.tolist()))


@pytest.mark.parametrize("shape", [(40,), (8, 5), (2, 4, 5), (40, 1, 1)])
@pytest.mark.parametrize("kind", ["float32", "float64", "int64", "bool"])
def test_many_values_are_laid_out_as_few(shape: tuple[int, ...], kind: str) -> None:
    """Row by row, because rows of so few values are written one by one."""
    values = np.arange(40) % 7 / (8 if kind.startswith("float") else 1) - 3
    array = values.astype(kind).reshape(shape)
    if kind == "float32":
        array.flat[3], array.flat[39] = math.nan, 1e-9
    start, tail = b'{\n    "predictions": [', b"\n    ]\n}"
    alone = [json_out.rows({"y": row[None]}).removeprefix(start).removesuffix(tail) for row in array]
    assert json_out.rows({"y": array}) == start + b", ".join(alone) + tail
    read = json.loads(json_out.columns({"y": array}))["outputs"]
    np.testing.assert_array_equal(np.array(read, array.dtype), array)


def test_an_array_that_lies_otherwise_in_memory_is_written_in_its_order() -> None:
    array = np.arange(60, dtype=np.float32).reshape(6, 10).T
    assert json.loads(json_out.rows({"y": array}))["predictions"] == array.tolist()


@pytest.mark.parametrize("low", [0.0, -1.0], ids=["no signs", "signs"])
@pytest.mark.parametrize(
    "shape", [(1, MANY), (1, 1, MANY), (MANY,), (MANY // 1000, 1000), (2, MANY // 2), (MANY, 1), (MANY // 4, 2, 2)]
)
def test_long_lists_are_written_value_by_value(low: float, shape: tuple[int, ...]) -> None:
    array = (RANDOM.uniform(low, 1, MANY) * 10.0 ** RANDOM.integers(-12, 1, MANY)).astype(np.float32)
    array[[0, 7, 8, MANY - 1]] = 0.0, math.nan, 1e-9, 1e9
    lists = json_numbers.texts(array)
    for size in reversed(shape):
        lists = [f"[{', '.join(lists[at : at + size])}]" for at in range(0, len(lists), size)]
    assert json_out.rows({"y": array.reshape(shape)}).decode() == f'{{\n    "predictions": {lists[0][:-1]}\n    ]\n}}'
