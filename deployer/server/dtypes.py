"""TensorFlow's dtypes by number, with their names, NumPy dtypes and TensorProto fields."""

from __future__ import annotations

import dataclasses
from typing import Any

import ml_dtypes
import numpy as np

Array = np.ndarray[Any, Any]


@dataclasses.dataclass(frozen=True)
class DType:
    """One dtype; `field` is the TensorProto field of its values, `numpy` is None if it cannot be fed."""

    number: int
    name: str
    field: str
    numpy: Any = None


_ALL = (
    DType(1, "float", "float_val", np.dtype(np.float32)),
    DType(2, "double", "double_val", np.dtype(np.float64)),
    DType(3, "int32", "int_val", np.dtype(np.int32)),
    DType(4, "uint8", "int_val", np.dtype(np.uint8)),
    DType(5, "int16", "int_val", np.dtype(np.int16)),
    DType(6, "int8", "int_val", np.dtype(np.int8)),
    DType(7, "string", "string_val", np.dtype(object)),
    DType(8, "complex64", "scomplex_val", np.dtype(np.complex64)),
    DType(9, "int64", "int64_val", np.dtype(np.int64)),
    DType(10, "bool", "bool_val", np.dtype(np.bool_)),
    DType(14, "bfloat16", "half_val", np.dtype(ml_dtypes.bfloat16)),
    DType(17, "uint16", "int_val", np.dtype(np.uint16)),
    DType(18, "complex128", "dcomplex_val", np.dtype(np.complex128)),
    DType(19, "half", "half_val", np.dtype(np.float16)),
    DType(22, "uint32", "uint32_val", np.dtype(np.uint32)),
    DType(23, "uint64", "uint64_val", np.dtype(np.uint64)),
)
DTYPES = {dtype.number: dtype for dtype in _ALL}
BY_NUMPY = {dtype.numpy: dtype for dtype in _ALL}
FLOAT, STRING, BOOL = DTYPES[1], DTYPES[7], DTYPES[10]


def by_number(number: int) -> DType:
    """Return the dtype; an unknown number gives one that cannot be fed."""
    return DTYPES.get(number) or DType(number, f"dtype {number}", "")
