"""Tensors keep dtype, shape and values through TensorProto and JSON; malformed ones are refused."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as npst

from deployer.errors import MalformedTensor
from deployer.savedmodel import tensors
from deployer.savedmodel.messages import message_class

NUMBERS = ["float16", "float32", "float64", "int8", "int16", "int32", "int64", "uint8", "uint16", "uint32", "uint64"]
arrays = st.sampled_from([*NUMBERS, "bool"]).flatmap(
    lambda dtype: npst.arrays(np.dtype(dtype), npst.array_shapes(min_dims=0, max_dims=3, min_side=0, max_side=4))
)


def strings(*values: bytes) -> np.ndarray:
    array = np.empty(len(values), dtype=object)
    array[:] = values
    return array


@given(arrays)
def test_numbers_survive_a_tensor_proto(array):
    back = tensors.from_proto(tensors.to_proto(array))
    assert (back.dtype, back.shape) == (array.dtype, array.shape)
    np.testing.assert_array_equal(array, back)


@pytest.mark.parametrize("dtype", ["bfloat16", "complex64", "complex128"])
def test_rarer_dtypes_survive_a_tensor_proto(dtype):
    array = np.array([1.5, -2.0]).astype(tensors.numpy_dtype(dtype))
    back = tensors.from_proto(tensors.to_proto(array))
    assert tensors.dtype_of(back) == dtype
    np.testing.assert_array_equal(array, back)


def test_strings_survive_with_zero_bytes_and_invalid_utf8():
    array = strings(b"", b"a\x00b\x00", b"\xff", "ü".encode())
    np.testing.assert_array_equal(array, tensors.from_proto(tensors.to_proto(array)))
    np.testing.assert_array_equal(array, tensors.from_json(tensors.to_json(array), "string"))


@given(arrays.filter(lambda array: array.dtype not in (np.float16, np.uint16) and array.size))
def test_what_rest_can_carry_survives_json(array):
    back = tensors.from_json(tensors.to_json(array), tensors.dtype_of(array))
    assert (back.dtype, back.shape) == (array.dtype, array.shape)
    np.testing.assert_array_equal(array, back)


def test_listed_values_fill_up_with_the_last_one():
    tensor = tensors.to_proto(np.zeros((2, 3), np.float32))
    tensor.ClearField("tensor_content")
    tensor.float_val.extend([1.0, 2.0])
    np.testing.assert_array_equal([[1, 2, 2], [2, 2, 2]], tensors.from_proto(tensor))


def test_half_values_are_bits():
    tensor = message_class("tensorflow.TensorProto")(dtype=tensors.dtype_number("float16"))
    tensor.tensor_shape.dim.add(size=1)
    tensor.half_val.append(0x3E00)
    assert tensors.from_proto(tensor)[0] == 1.5


@pytest.mark.parametrize("sizes", [(3,), (-1,), (2**20, 2**20)])
def test_shapes_that_do_not_fit_their_values_are_refused(sizes):
    tensor = tensors.to_proto(np.zeros(2, np.float32))
    del tensor.tensor_shape.dim[:]
    for size in sizes:
        tensor.tensor_shape.dim.add(size=size)
    with pytest.raises(MalformedTensor):
        tensors.from_proto(tensor)


@pytest.mark.parametrize(
    ("value", "dtype"),
    [
        ([1.5], "int32"),
        ([300], "uint8"),
        ([1], "bool"),
        ([True], "float32"),
        ([[1], [1, 2]], "int32"),
        (["x"], "float32"),
        ([1], "string"),
        ([["a"], "b"], "string"),
        ([-1], "uint64"),
    ],
)
def test_json_that_does_not_fit_the_dtype_is_refused(value, dtype):
    with pytest.raises(MalformedTensor):
        tensors.from_json(value, dtype)


def test_json_integers_are_fine_for_floats():
    np.testing.assert_array_equal(np.array([1, 2], np.float32), tensors.from_json([1, 2], "float32"))


@pytest.mark.parametrize(
    ("fields", "says"),
    [
        ({"dtype": 99}, "no dtype number 99"),
        ({"dtype": 20}, "resource"),
        ({"dtype": 1, "tensor_content": b"abc"}, "float32"),
        ({"dtype": 7, "tensor_content": b"abcdefgh"}, "string"),
        ({"dtype": 6, "int_val": [700]}, "int8"),
        ({"dtype": 9, "int_val": [1]}, "carries 0 values"),
        ({"dtype": 8, "scomplex_val": [1.0, 2.0, 3.0]}, "carries 2 values"),
    ],
)
def test_values_that_their_dtype_cannot_have_are_refused(fields, says):
    tensor = message_class("tensorflow.TensorProto")(**fields)
    tensor.tensor_shape.dim.add(size=1)
    with pytest.raises(MalformedTensor, match=says):
        tensors.from_proto(tensor)


def nested(depth: int, value: object) -> object:
    for _ in range(depth):
        value = [value]
    return value


@pytest.mark.parametrize("value", ["x", 1.0, {"b64": "eA=="}])
@pytest.mark.parametrize("depth", [65, 5000])
@pytest.mark.parametrize("dtype", ["string", "float32", "int64"])
def test_lists_nested_beyond_all_tensors_are_refused(value, depth, dtype):
    with pytest.raises(MalformedTensor):
        tensors.from_json(nested(depth, value), dtype)


@pytest.mark.parametrize("value", ["a", "!", "_w==", "/w==x", 5, None, "ü", []])
def test_base64_that_is_none_is_refused(value):
    with pytest.raises(MalformedTensor):
        tensors.from_json([{"b64": value}], "string")


def test_base64_may_be_broken_into_lines():
    assert tensors.from_json([{"b64": "aGVs\n bG8=\n"}], "string").tolist() == [b"hello"]
