"""TensorProto to numpy and back, by TensorFlow's rules, with TensorFlow's messages and without TensorFlow."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from deployer.savedmodel.messages import message_class
from deployer.server.dtypes import BY_NUMPY, DTYPES, STRING
from deployer.server.tensors import TensorError, fill_proto, to_array


def message(dtype: int, shape: tuple[int, ...], **fields: Any) -> Any:
    tensor = message_class("tensorflow.TensorProto")(dtype=dtype, **fields)
    tensor.tensor_shape.SetInParent()
    for size in shape:
        tensor.tensor_shape.dim.add(size=size)
    return tensor


def sample(dtype: Any) -> np.ndarray[Any, Any]:
    if dtype is STRING:
        values = np.empty((2, 2), object)
        values[:] = [[b"a", b""], [b"\xff\x00", b"long" * 99]]
        return values
    return np.array([[0, 1], [1, 0]]).astype(dtype.numpy)


@pytest.mark.parametrize("as_content", [False, True])
@pytest.mark.parametrize("dtype", DTYPES.values(), ids=lambda dtype: dtype.name)
def test_every_dtype_goes_out_and_comes_back(dtype: Any, as_content: bool) -> None:
    array, tensor = sample(dtype), message(0, ())
    fill_proto(tensor, array, as_content)
    back = to_array(tensor)
    assert BY_NUMPY[back.dtype] is dtype
    np.testing.assert_array_equal(back, array)


def test_floats_lie_in_their_own_field() -> None:
    tensor = message(0, ())
    fill_proto(tensor, np.array([1.5, -2.0], np.float32))
    assert list(tensor.float_val) == [1.5, -2.0]
    assert not tensor.tensor_content


def test_a_scalar_and_an_empty_tensor_keep_their_shapes() -> None:
    for array in (np.array(3.0, np.float32), np.zeros((0, 2), np.int64)):
        tensor = message(0, ())
        fill_proto(tensor, array)
        assert to_array(tensor).shape == array.shape


@pytest.mark.parametrize(
    ("tensor", "values"),
    [
        (message(1, (3,), float_val=[1, 2]), [1, 2, 2]),
        (message(1, (2,)), [0, 0]),
        (message(1, (1,), float_val=[1, 2]), [1]),
        (message(7, (2,), string_val=[b"a"]), [b"a", b"a"]),
        (message(7, (2,), tensor_content=b"\x01\x02abc"), [b"a", b"bc"]),
        (message(3, (2,), tensor_content=b"\x01\0\0\0\x02\0\0\0"), [1, 2]),
    ],
)
def test_values_are_filled_up_and_content_is_read(tensor: Any, values: list[Any]) -> None:
    assert to_array(tensor).tolist() == values


@pytest.mark.parametrize(
    "tensor",
    [
        message(1, (3,), tensor_content=b"\0\0"),
        message(1, (-5,)),
        message(1, (1,) * 255, float_val=[1]),
        message(1, (2**40, 2**20), float_val=[1]),
        message(0, (1,)),
        message(20, (1,)),
        message(7, (2,), tensor_content=b"\x01\xff"),
        message(7, (1,), tensor_content=b"\x05ab"),
    ],
)
def test_what_is_no_tensor_is_refused(tensor: Any) -> None:
    with pytest.raises(TensorError):
        to_array(tensor)
