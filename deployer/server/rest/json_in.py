"""Convert JSON requests to arrays, with the rules and messages of `tensorflow_serving/util/json_tensor.cc`.

Each form has a fast path with NumPy and an exact path. The fast path handles only values that are certainly valid; the
exact path checks all others element by element, in the order that the error messages show.
"""

from __future__ import annotations

import base64
import binascii
import itertools
import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np

from deployer.server.dtypes import Array, DType
from deployer.server.rest.json_read import Members, c_name, members
from deployer.server.rest.json_text import debug, type_name
from deployer.server.status import Code, ServingError, invalid
from deployer.server.tensors import MAX_RANK

Json = Any
_NUMPY_RANK = 64
_SPACES = re.compile(r"[ \t\r\n\f\v]")
_BASE64 = re.compile(r"[A-Za-z0-9+/]*[=.]{0,2}")
_NUMBERS = frozenset((int, float))
# Up to this number of values a loop is faster than NumPy's calls.
_LOOP_LIMIT = 64
_NORMAL = {"float": (1e-37, 1e38), "double": (1e-307, 1e308)}
_SMALLEST = {"float": np.finfo(np.float32).tiny, "double": np.finfo(np.float64).tiny}
_LIMITS = {
    "int32": (-(1 << 31), (1 << 31) - 1),
    "int16": (-(1 << 31), (1 << 31) - 1),
    "int8": (-(1 << 31), (1 << 31) - 1),
    "uint8": (-(1 << 31), (1 << 31) - 1),
    "int64": (-(1 << 63), (1 << 63) - 1),
    "uint32": (0, (1 << 32) - 1),
    "uint64": (0, (1 << 64) - 1),
}
_ACCEPTED: dict[str, frozenset[type]] = {
    "float": _NUMBERS,
    "double": _NUMBERS,
    "bool": frozenset((bool,)),
    "string": frozenset((str,)),
    **dict.fromkeys(_LIMITS, frozenset((int,))),
}


def signature_name(document: Json) -> str:
    """Return the signature name of a request, or an empty string. Raises ServingError if it is not an object."""
    if not isinstance(document, dict):
        raise invalid(f"{debug(document)} Is not object")
    name = document.get("signature_name", "")
    if not isinstance(name, str):
        raise invalid(f"{debug(document)} not formatted correctly. 'signature_name' key must be a string value.")
    return name


def predict_inputs(document: Mapping[str, Json], dtypes: Mapping[str, DType]) -> tuple[dict[str, Array], bool]:
    """Return the inputs of a predict request by name, and whether they are in row form.

    With several inputs, a row of bytes (`{"b64": "..."}`) is assigned to the first one, without an error.
    """
    has_rows, has_columns = "instances" in document, "inputs" in document
    if has_rows and has_columns:
        raise invalid(
            f"{debug(document)} Not formatted correctly expecting only one of 'inputs' or 'instances' keys to exist "
        )
    if has_rows:
        return _from_rows(document, dtypes), True
    if has_columns:
        return _from_columns(document["inputs"], dtypes), False
    raise invalid("Missing 'inputs' or 'instances' key")


def _from_rows(document: Mapping[str, Json], dtypes: Mapping[str, DType]) -> dict[str, Array]:
    rows = document["instances"]
    if not isinstance(rows, list):
        raise invalid(f"{debug(document)} Expecting 'instances' to be an list/array")
    if not rows:
        raise invalid(f"{debug(document)} No values in 'instances' array")
    if _is_keyed(rows[0]):
        return _fast_keyed(rows, dtypes) or _exact_keyed(rows, dtypes)
    if len(dtypes) > 1 and not isinstance(rows[0], dict):
        raise invalid(
            "instances is a plain list, but expecting list of objects as multiple input tensors required as per "
            "tensorinfo_map"
        )
    name, dtype = next(iter(dtypes.items()))
    array = _fast(rows, dtype)
    return {name: _exact_plain(rows, name, dtype) if array is None else array}


def _from_columns(columns: Json, dtypes: Mapping[str, DType]) -> dict[str, Array]:
    if not _is_keyed(columns):
        if len(dtypes) > 1:
            raise invalid(
                "inputs is a plain value/list, but expecting an object as multiple input tensors required as per "
                "tensorinfo_map"
            )
        columns = dict.fromkeys(dtypes, columns)
    return {name: _column(columns, name, dtype) for name, dtype in dtypes.items()}


def _column(columns: Mapping[str, Json], name: str, dtype: DType) -> Array:
    if name not in columns:
        raise invalid(f"Missing named input: {name} in 'inputs' object.")
    array = _fast(columns[name], dtype)
    return _exact_column(columns[name], name, dtype) if array is None else array


def _is_keyed(value: Json) -> bool:
    """Return whether the value is an object of named inputs; `{"b64": "..."}` is a value."""
    return isinstance(value, dict) and not is_base64(value)


def is_base64(value: Mapping[str, Json]) -> bool:
    """Return whether an object is exactly `{"b64": "..."}`."""
    return len(value) == 1 and isinstance(value.get("b64"), str) and not isinstance(value, Members)


def _fast_keyed(rows: Sequence[Json], dtypes: Mapping[str, DType]) -> dict[str, Array] | None:
    if any(type(row) is not dict or row.keys() != dtypes.keys() for row in rows):
        return None
    arrays = {name: _fast([row[name] for row in rows], dtype) for name, dtype in dtypes.items()}
    return {name: array for name, array in arrays.items() if array is not None} if _all_converted(arrays) else None


def _all_converted(arrays: Mapping[str, Array | None]) -> bool:
    return all(array is not None for array in arrays.values())


def _fast(value: Json, dtype: DType) -> Array | None:
    """Return a regular nested list of valid types as an array; None if the exact path is needed."""
    accepted = _ACCEPTED.get(dtype.name)
    if accepted is None or type(value) is not list:
        return None
    flat, shape = value, [len(value)]
    while flat and type(flat[0]) is list:
        sizes = set(map(len, flat)) if set(map(type, flat)) == {list} else set()
        if len(sizes) != 1 or len(shape) == _NUMPY_RANK:
            return None
        shape.append(sizes.pop())
        flat = list(itertools.chain.from_iterable(flat))
    if not accepted >= set(map(type, flat)):
        return None
    return _array(flat, shape, dtype)


def _array(flat: Sequence[Any], shape: Sequence[int], dtype: DType) -> Array | None:
    """Return the array of checked values; None if a number is out of the dtype's range."""
    if dtype.name in ("float", "double"):
        return floats(flat, dtype).reshape(shape)
    if dtype.name in _LIMITS:
        low, high = _LIMITS[dtype.name]
        if flat and not low <= min(flat) <= max(flat) <= high:
            return None
        wide = np.uint64 if dtype.name == "uint64" else np.int64
        return np.array(flat, wide).astype(dtype.numpy).reshape(shape)
    if dtype.name == "string":
        flat = [text.encode("utf-8", "surrogateescape") if isinstance(text, str) else text for text in flat]
    array = np.empty(len(flat), dtype.numpy)
    array[:] = flat
    return array.reshape(shape)


def floats(flat: Sequence[Any], dtype: DType) -> Array:
    """Return an array of floats; too large values become infinity, subnormal ones zero."""
    if len(flat) <= _LOOP_LIMIT and _all_normal(flat, dtype):
        return np.array(flat, dtype.numpy)
    with np.errstate(over="ignore", invalid="ignore"):
        array: Array = np.array(flat, np.float64).astype(dtype.numpy)
        array *= np.abs(array) >= _SMALLEST[dtype.name]
    return array


def _all_normal(flat: Sequence[Any], dtype: DType) -> bool:
    """Return whether every value is zero or well inside the normal range of its type."""
    low, high = _NORMAL[dtype.name]
    for value in flat:  # noqa: SIM110 - all() and a generator take twice as long
        if not (low <= value <= high or -high <= value <= -low or value == 0):
            return False
    return True


def _exact_plain(rows: Sequence[Json], name: str, dtype: DType) -> Array:
    column = _Column(dtype)
    for index, row in enumerate(rows):
        if _is_keyed(row):
            raise invalid(f"Expecting value/list but got object at item {index} of input list")
        _add(column, row, f"{index} of 'instances' list.")
    return column.array(name, len(rows))


def _exact_keyed(rows: Sequence[Json], dtypes: Mapping[str, DType]) -> dict[str, Array]:
    columns = {name: _Column(dtype) for name, dtype in dtypes.items()}
    for index, row in enumerate(rows):
        if not _is_keyed(row):
            raise invalid(f"Expecting object but got list at item {index} of input list")
        pairs = [(c_name(name), value) for name, value in members(row)]
        for name, value in pairs:
            _add(columns.get(name), value, f"{index} key: {name} of 'instances' list.", name)
        if {name for name, _ in pairs} != dtypes.keys():
            raise invalid(
                f"Failed to process element: {index} of 'instances' list. JSON object: "
                f"{debug(row).removeprefix('JSON Value: ')} keys must be equal to: {','.join(sorted(dtypes))}"
            )
    return {name: column.array(name, len(rows)) for name, column in columns.items()}


def _add(column: _Column | None, value: Json, location: str, name: str = "") -> None:
    try:
        if column is None:
            raise invalid(f"JSON object: does not have named input: {name}")
        column.add(value)
    except ServingError as error:
        raise invalid(f"Failed to process element: {location} Error: {error}") from error


def _exact_column(value: Json, name: str, dtype: DType) -> Array:
    shape = _shape(value)
    return _to_tensor(list(_leaves(value, shape, dtype)), shape, name, dtype)


def _to_tensor(flat: Sequence[Any], shape: Sequence[int], name: str, dtype: DType) -> Array:
    array = None if len(shape) > min(MAX_RANK, _NUMPY_RANK) else _array(flat, shape, dtype)
    if array is None:
        raise invalid(f"tensor parsing error: {name}")
    return array


class _Column:
    """The values of one input in row form, which must all have the shape of the first.

    A row that names an input twice adds two values: the batch takes as many values as it has rows, from the first on.
    """

    def __init__(self, dtype: DType) -> None:
        self._dtype = dtype
        self._flat: list[Any] = []
        self._size: int | None = None
        self._shape: list[int] = []

    def add(self, value: Json) -> None:
        """Add a value. Raises ServingError."""
        shape = _shape(value)
        leaves = list(_leaves(value, shape, self._dtype))
        if self._size is None:
            self._size, self._shape = len(leaves), shape
        elif len(leaves) != self._size:
            raise invalid(f"Expecting tensor size: {self._size} but got: {len(leaves)}")
        elif shape != self._shape:
            raise invalid(f"Expecting shape {_text(self._shape)} but got: {_text(shape)}")
        self._flat += leaves

    def array(self, name: str, rows: int) -> Array:
        """Return all rows as one batch. Raises ServingError."""
        return _to_tensor(self._flat[: rows * (self._size or 0)], [rows, *self._shape], name, self._dtype)


def _text(shape: Sequence[int]) -> str:
    return f"[{','.join(map(str, shape))}]"


def _shape(value: Json) -> list[int]:
    """Return the shape of the first elements."""
    shape = []
    while isinstance(value, list):
        shape.append(len(value))
        if not value:
            break
        value = value[0]
    return shape


def _leaves(value: Json, shape: Sequence[int], dtype: DType) -> Iterator[Any]:
    """Yield the converted values of a dense tensor in order. Raises ServingError for lists of another shape."""
    stack = [iter((value,))]
    while stack:
        level = len(stack) - 1
        for item in stack[-1]:
            if not isinstance(item, list):
                yield _leaf(item, level, len(shape), dtype)
                continue
            _check_list(item, level, shape)
            stack.append(iter(item))
            break
        else:
            stack.pop()


def _check_list(item: Sequence[Json], level: int, shape: Sequence[int]) -> None:
    if level >= len(shape):
        raise invalid(f"Encountered list at unexpected level: {level} expected < {len(shape)}")
    if len(item) != shape[level]:
        raise invalid(
            f"Encountered list at unexpected size: {len(item)} at level: {level} expected size: {shape[level]}"
        )


def _leaf(value: Json, level: int, rank: int, dtype: DType) -> Any:
    if level != rank:
        raise invalid(
            f"{debug(value)} found at incorrect level: {level + 1} in the JSON DOM. Expected at level: {rank}"
        )
    if dtype.name == "string" and isinstance(value, dict):
        return decode_base64(value)
    accepted = _ACCEPTED.get(dtype.name)
    if accepted is None and not isinstance(value, dict):
        raise ServingError(Code.UNIMPLEMENTED, f"Conversion of {debug(value)} to type: {dtype.name}")
    if type(value) not in (accepted or ()) or not _in_range(value, dtype):
        raise invalid(f"{debug(value)} Type: {type_name(value)} is not of expected type: {dtype.name}")
    return value


def _in_range(value: Any, dtype: DType) -> bool:
    low, high = _LIMITS.get(dtype.name, (0, 0))
    return dtype.name not in _LIMITS or low <= value <= high


def decode_base64(value: Mapping[str, Json]) -> bytes:
    """Return the bytes of a `{"b64": "..."}` object; padding may be omitted or dots, as absl allows."""
    if not is_base64(value):
        raise invalid(f"{debug(value)} not formatted correctly for base64 data")
    text = _SPACES.sub("", value["b64"])
    unpadded = text.rstrip("=.")
    try:
        if not _BASE64.fullmatch(text) or (unpadded != text and len(text) % 4):
            raise binascii.Error
        return base64.b64decode(unpadded + "=" * (-len(unpadded) % 4))
    except binascii.Error as error:
        raise invalid("Unable to base64 decode") from error
