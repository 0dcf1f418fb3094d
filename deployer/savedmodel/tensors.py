"""Convert tensors between NumPy arrays, TensorProto (gRPC, golden sets) and JSON (REST), without TensorFlow.

String tensors are NumPy object arrays of `bytes`.
"""

from __future__ import annotations

import base64
import math
from typing import TYPE_CHECKING, Any, TypeAlias

from deployer.errors import MalformedTensor
from deployer.savedmodel.messages import data_types, message_class

if TYPE_CHECKING:
    import numpy as np
    from google.protobuf.message import Message
    from numpy.typing import NDArray

    Array: TypeAlias = NDArray[Any]

MAX_ELEMENTS = 2**31
_PROTO_NAMES = {"float32": "FLOAT", "float64": "DOUBLE", "float16": "HALF"}
_VALUE_FIELDS = {
    "float32": "float_val",
    "float64": "double_val",
    "float16": "half_val",
    "bfloat16": "half_val",
    "int64": "int64_val",
    "bool": "bool_val",
    "string": "string_val",
    "complex64": "scomplex_val",
    "complex128": "dcomplex_val",
    "uint32": "uint32_val",
    "uint64": "uint64_val",
}
REST_UNSUPPORTED = frozenset({"float16", "bfloat16", "uint16", "complex64", "complex128"})
"""Dtypes that TensorFlow Serving's JSON rejects, as inputs and as outputs."""


def dtype_name(number: int) -> str:
    """Return `float32` for DT_FLOAT, and so on; a reference dtype counts as its base. Raises MalformedTensor."""
    try:
        return dtype_from_text(data_types().values_by_number[number % 100].name)
    except KeyError as error:
        raise MalformedTensor(f"there is no dtype number {number}") from error


def dtype_from_text(text: str) -> str:
    """Return `float32` for the text `DT_FLOAT`, and so on."""
    text = text.removeprefix("DT_")
    return next((name for name, proto_name in _PROTO_NAMES.items() if proto_name == text), text.lower())


def dtype_number(name: str) -> int:
    """Return the number of DT_FLOAT for `float32`, and so on."""
    value = data_types().values_by_name.get("DT_" + _PROTO_NAMES.get(name, name.upper()))
    if value is None:
        raise MalformedTensor(f"tensors of dtype {name} are not supported")
    return int(value.number)


def numpy_dtype(name: str) -> np.dtype[Any]:
    """Return the NumPy dtype that holds values of a TensorFlow dtype. Raises MalformedTensor."""
    import numpy as np

    if name == "string":
        return np.dtype(object)
    if name == "bfloat16":
        import ml_dtypes

        dtype: np.dtype[Any] = np.dtype(ml_dtypes.bfloat16)
        return dtype
    try:
        return np.dtype(name)
    except TypeError as error:
        raise MalformedTensor(f"tensors of dtype {name} are not supported") from error


def dtype_of(array: Array) -> str:
    """Return the TensorFlow name of an array's dtype; object and text arrays are strings."""
    return "string" if array.dtype.kind in "OSU" else str(array.dtype.name)


def to_proto(array: Array) -> Message:
    """Return a TensorProto with the array's dtype, shape and values."""
    tensor = message_class("tensorflow.TensorProto")(dtype=dtype_number(dtype_of(array)))
    for size in array.shape:
        tensor.tensor_shape.dim.add(size=size)
    if dtype_of(array) == "string":
        tensor.string_val.extend(as_bytes(value) for value in array.ravel().tolist())
    else:
        tensor.tensor_content = array.astype(array.dtype.newbyteorder("<"), copy=False).tobytes()
    return tensor


def from_proto(tensor: Message) -> Array:
    """Return the array in a TensorProto, from `tensor_content` or the `*_val` fields, whose last value repeats.

    Raises MalformedTensor.
    """
    import numpy as np

    name = dtype_name(tensor.dtype)
    shape = tuple(dim.size for dim in tensor.tensor_shape.dim)
    count = _element_count(shape)
    try:
        if tensor.tensor_content:
            flat = np.frombuffer(tensor.tensor_content, dtype=numpy_dtype(name).newbyteorder("<"))
        else:
            flat = _repeat_last(_field_values(tensor, name), count)
    except (ValueError, OverflowError) as error:
        raise MalformedTensor(f"a tensor's values are not {name}: {error}") from error
    if flat.size != count:
        raise MalformedTensor(f"a tensor of shape {list(shape)} carries {flat.size} values")
    return flat.reshape(shape)


def _element_count(shape: tuple[int, ...]) -> int:
    count = math.prod(shape)
    if min(shape, default=0) < 0 or count > MAX_ELEMENTS:
        raise MalformedTensor(f"a tensor of shape {list(shape)[:8]} is not acceptable")
    return count


def _field_values(tensor: Message, name: str) -> Array:
    import numpy as np

    values = getattr(tensor, _VALUE_FIELDS.get(name, "int_val"))
    if name in ("float16", "bfloat16"):
        return np.array(values, dtype=np.uint16).view(numpy_dtype(name))
    if name.startswith("complex"):
        parts = np.zeros(len(values) + len(values) % 2, np.float32 if name == "complex64" else np.float64)
        parts[: len(values)] = values
        return parts.view(numpy_dtype(name))
    flat = np.empty(len(values), dtype=numpy_dtype(name))
    flat[:] = list(values)
    return flat


def _repeat_last(flat: Array, count: int) -> Array:
    import numpy as np

    if 0 < flat.size < count:
        return np.concatenate([flat, np.repeat(flat[-1:], count - flat.size)])
    return flat


def as_bytes(value: object) -> bytes:
    """Return a string tensor's element as bytes; text is encoded as UTF-8."""
    return value if isinstance(value, bytes) else str(value).encode()


def to_json(array: Array) -> object:
    """Return nested lists for TensorFlow Serving's REST API; strings are base64, which carries any bytes."""
    if dtype_of(array) != "string":
        return array.tolist()
    return _encode_strings(array.tolist())


def _encode_strings(value: object) -> object:
    if isinstance(value, list):
        return [_encode_strings(item) for item in value]
    return {"b64": base64.b64encode(as_bytes(value)).decode()}


def from_json(value: object, dtype: str) -> Array:
    """Return the array in a REST response or a JSON example, with the dtype that the signature declares.

    Numbers in JSON have no dtype: integers fit every number type that holds them, floats fit floats. Raises
    MalformedTensor.
    """
    import numpy as np

    target = numpy_dtype(dtype)
    try:
        if dtype == "string":
            return _string_array(value)
        array = np.array(value)
        if target.kind in "iu" and array.dtype.kind in "fO" and array.size:
            array = np.array(value, dtype=object)  # beyond int64 and below uint64's end, numpy would take floats
        fits = _fits(array, target)
    except (TypeError, ValueError, OverflowError, RecursionError) as error:
        raise MalformedTensor(f"values do not form a {dtype} tensor: {error}") from error
    if not fits:
        raise MalformedTensor(f"values do not form a {dtype} tensor: {str(value)[:60]}")
    return array.astype(target)


def _fits(array: Array, target: np.dtype[Any]) -> bool:
    """Return whether every value can be represented in the target dtype."""
    import numpy as np

    if array.size == 0:
        return True
    if target.kind in "iu":
        whole = array.dtype.kind in "iu" or all(type(item) is int for item in array.flat)
        return whole and int(array.min()) >= np.iinfo(target).min and int(array.max()) <= np.iinfo(target).max
    kinds = "b" if target.kind == "b" else "iuf"
    return array.dtype.kind in kinds


def _string_array(value: object) -> Array:
    import numpy as np

    shape = _list_shape(value)
    flat: list[bytes] = []
    _collect_strings(value, shape, flat)
    array = np.empty(len(flat), dtype=object)
    array[:] = flat
    return array.reshape(shape)


def _list_shape(value: object) -> tuple[int, ...]:
    shape: list[int] = []
    while isinstance(value, list):
        shape.append(len(value))
        value = value[0] if value else None
    return tuple(shape)


def _collect_strings(value: object, shape: tuple[int, ...], into: list[bytes]) -> None:
    if isinstance(value, list) != bool(shape) or (isinstance(value, list) and len(value) != shape[0]):
        raise MalformedTensor("strings are nested unevenly: every list at one level needs the same length")
    if isinstance(value, list):
        for item in value:
            _collect_strings(item, shape[1:], into)
    elif isinstance(value, dict) and set(value) == {"b64"}:
        into.append(_decoded(value["b64"]))
    elif isinstance(value, (str, bytes)):
        into.append(as_bytes(value))
    else:
        raise MalformedTensor(f"{str(value)[:40]!r} is not a string")


def _decoded(text: object) -> bytes:
    """Decode base64, which may contain line breaks; other characters raise ValueError instead of being dropped."""
    if not isinstance(text, str):
        raise MalformedTensor(f"{str(text)[:40]!r} is not base64")
    return base64.b64decode("".join(text.split()), validate=True)
