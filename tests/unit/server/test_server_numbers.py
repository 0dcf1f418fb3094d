"""Numbers in answers: each reads back as the value that the model gave, in every layout."""

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
MANY = 70_000


def check(values: np.ndarray) -> None:
    """Compare bits: the sign of zero counts, only the payload of a NaN does not."""
    again = np.array(list(map(float, json_numbers.texts(values))), values.dtype)
    np.testing.assert_array_equal(again, values)
    numbers = ~np.isnan(values)
    np.testing.assert_array_equal(np.signbit(again[numbers]), np.signbit(values[numbers]))


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize(
    ("value", "text"), [(math.nan, "NaN"), (math.inf, "Infinity"), (-math.inf, "-Infinity"), (0.5, "0.5"), (2, "2.0")]
)
def test_values_that_are_not_finite_have_tensorflow_servings_words(value: float, text: str, dtype: type) -> None:
    for number in (1, 100):
        assert json_numbers.texts(np.full(number, value, dtype)) == [text] * number


@pytest.mark.parametrize(
    "make",
    [
        lambda: RANDOM.integers(0, 1 << 32, MANY, dtype=np.uint32).view(np.float32),
        lambda: 10 ** RANDOM.uniform(-16, 11, MANY),
        lambda: np.arange(MANY) / 8192 * RANDOM.choice([-1, 1], MANY),
        lambda: 10.0 ** np.arange(-45, 39),
    ],
    ids=["any bits", "usual magnitudes", "ties", "powers of ten"],
)
def test_many_floats_read_back(make: Callable[[], np.ndarray]) -> None:
    check(make().astype(np.float32))


@given(arrays.arrays(np.uint32, st.integers(0, 60), elements=st.integers(0, 2**32 - 1)))
def test_floats_read_back(bits: np.ndarray) -> None:
    check(bits.view(np.float32))


@given(arrays.arrays(np.float64, st.integers(0, 60)))
def test_doubles_read_back(values: np.ndarray) -> None:
    check(values)


@pytest.mark.parametrize("dtype", [np.int8, np.uint8, np.int16, np.int32, np.int64, np.uint32, np.uint64])
def test_whole_numbers_are_plain_digits(dtype: type) -> None:
    limits = np.iinfo(dtype)
    values = np.array([limits.min, limits.max, 0, 7] * 10, dtype)
    assert json_numbers.texts(values) == list(map(str, values.tolist()))


@pytest.mark.parametrize("shape", [(40,), (8, 5), (2, 4, 5), (40, 1, 1)])
@pytest.mark.parametrize("kind", ["float32", "float64", "int64", "bool"])
def test_rows_are_laid_out_as_each_alone(shape: tuple[int, ...], kind: str) -> None:
    values = np.arange(40) % 7 / (8 if kind.startswith("float") else 1) - 3
    array = values.astype(kind).reshape(shape)
    if kind.startswith("float"):
        array.flat[3], array.flat[39] = math.nan, 1e-9
    start, tail = b'{\n    "predictions": [', b"\n    ]\n}"
    alone = [json_out.rows({"y": row[None]}).removeprefix(start).removesuffix(tail) for row in array]
    assert json_out.rows({"y": array}) == start + b", ".join(alone) + tail
    read = json.loads(json_out.columns({"y": array}))["outputs"]
    np.testing.assert_array_equal(np.array(read, array.dtype), array)


def test_an_array_that_lies_otherwise_in_memory_is_written_in_its_order() -> None:
    array = np.arange(60, dtype=np.float32).reshape(6, 10).T.copy(order="F")
    array[3, 2], array[4, 1] = math.inf, math.nan
    read = json.loads(json_out.rows({"y": array}))["predictions"]
    np.testing.assert_array_equal(np.float32(read), array)


@pytest.mark.parametrize(
    "shape", [(1, MANY), (1, 1, MANY), (MANY,), (MANY // 1000, 1000), (MANY, 1), (MANY // 4, 2, 2)]
)
def test_long_lists_read_back(shape: tuple[int, ...]) -> None:
    array = (RANDOM.uniform(-1, 1, MANY) * 10.0 ** RANDOM.integers(-12, 1, MANY)).astype(np.float32)
    array[[0, 7, 8, 9, MANY - 1]] = 0.0, math.nan, math.inf, -math.inf, 1e9
    read = json.loads(json_out.rows({"y": array.reshape(shape)}))["predictions"]
    np.testing.assert_array_equal(np.float32(read), array.reshape(shape))
