"""Convert TensorProto to NumPy arrays and back, by the rules of `tensorflow/core/framework/tensor.cc`.

A proto with fewer values than elements repeats the last one; `tensor_content` must have the exact size if there are
elements. A set `unknown_rank` is ignored: the dimensions that are present count.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from google.protobuf.message import Message

from deployer.server.dtypes import BOOL, BY_NUMPY, STRING, Array, DType, by_number

MAX_RANK = 254
_MAX_BYTES = 1 << 31
_PACKED = {"float_val": b"\x2a", "double_val": b"\x32"}


class TensorError(ValueError):
    """The proto is not a valid tensor."""


def to_array(proto: Message) -> Array:
    """Return the array of a TensorProto. Raises TensorError if TensorFlow's decoder would reject it."""
    dtype = by_number(proto.dtype)
    shape = tuple(dim.size for dim in proto.tensor_shape.dim)
    if dtype.numpy is None or len(shape) > MAX_RANK or min(shape, default=0) < 0:
        raise TensorError
    count = math.prod(shape)
    if count * dtype.numpy.itemsize >= _MAX_BYTES:
        raise TensorError
    from_content = count and proto.tensor_content
    values = _from_content(proto, dtype, count) if from_content else _from_field(proto, dtype, count)
    return values.reshape(shape)


def _from_content(proto: Message, dtype: DType, count: int) -> Array:
    if dtype is STRING:
        return _strings_from_content(proto.tensor_content, count)
    if len(proto.tensor_content) != count * dtype.numpy.itemsize:
        raise TensorError
    if dtype is BOOL and proto.tensor_content.translate(None, b"\0\1"):
        raise TensorError
    return np.frombuffer(proto.tensor_content, dtype.numpy)


def _strings_from_content(content: bytes, count: int) -> Array:
    """Read `count` varint lengths, then the bytes of the strings."""
    offset, lengths = 0, []
    for _ in range(count):
        length, offset = _varint(content, offset)
        lengths.append(length)
    if offset + sum(lengths) != len(content):
        raise TensorError
    values = np.empty(count, object)
    for index, length in enumerate(lengths):
        values[index] = content[offset : offset + length]
        offset += length
    return values


def _varint(data: bytes, offset: int) -> tuple[int, int]:
    value = shift = 0
    while offset < len(data) and shift < 64:
        value |= (data[offset] & 0x7F) << shift
        offset, shift = offset + 1, shift + 7
        if data[offset - 1] < 0x80:
            return value, offset
    raise TensorError


def _from_field(proto: Message, dtype: DType, count: int) -> Array:
    values = _cast(getattr(proto, dtype.field), dtype)[:count]
    if len(values) == count:
        return values
    last = values[-1] if len(values) else (b"" if dtype is STRING else 0)
    filled = np.full(count, last, dtype.numpy)
    filled[: len(values)] = values
    return filled


def _cast(values: Any, dtype: DType) -> Array:
    if dtype.field == "half_val":
        return np.array(values, np.uint32).astype(np.uint16).view(dtype.numpy)
    if dtype.field in ("scomplex_val", "dcomplex_val"):
        parts = np.array(values, np.float32 if dtype.field == "scomplex_val" else np.float64)
        return parts[: len(parts) // 2 * 2].view(dtype.numpy)
    if dtype.field == "int_val":
        return np.array(values, np.int32).astype(dtype.numpy)
    return np.array(values, dtype.numpy)


def fill_proto(proto: Message, array: Array, as_content: bool = False) -> None:
    """Write an array into an empty TensorProto, into its typed field or `tensor_content`. Raises TensorError."""
    dtype = BY_NUMPY.get(array.dtype)
    if dtype is None:
        raise TensorError
    proto.dtype = dtype.number
    proto.tensor_shape.SetInParent()
    for size in array.shape:
        proto.tensor_shape.dim.add().size = size
    if as_content and dtype is not STRING:
        proto.tensor_content = array.tobytes()
    elif dtype.field in _PACKED:
        _merge_packed(proto, _PACKED[dtype.field], array.tobytes())
    else:
        getattr(proto, dtype.field).extend(_field_values(array, dtype))


def _merge_packed(proto: Message, tag: bytes, data: bytes) -> None:
    """Merge a packed field in wire format, which creates no Python object per value."""
    if data:
        proto.MergeFromString(tag + _as_varint(len(data)) + data)


def _as_varint(value: int) -> bytes:
    encoded = bytearray()
    while value > 0x7F:
        encoded.append(value & 0x7F | 0x80)
        value >>= 7
    encoded.append(value)
    return bytes(encoded)


def _field_values(array: Array, dtype: DType) -> list[Any]:
    values: list[Any] = _field_view(array.ravel(), dtype).tolist()
    return values


def _field_view(flat: Array, dtype: DType) -> Array:
    if dtype.field == "half_val":
        return flat.view(np.uint16)
    if dtype.field == "scomplex_val":
        return flat.view(np.float32)
    if dtype.field == "dcomplex_val":
        return flat.view(np.float64)
    return flat
