"""From a JSON request to arrays, by the rules and with the texts of `tensorflow_serving/util/json_tensor.cc`.

Each form has a quick way, which numpy walks, and an exact one. The quick way takes only what is right without doubt;
whatever it does not take, the exact one decides, element by element and in the order that the error texts show.
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
# For so many values a loop is quicker than numpy, whose calls cost more than they do.
_FEW = 64
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
    """Return the signature that a request names, or an empty string; refuses a body that is no JSON object."""
    if not isinstance(document, dict):
        raise invalid(f"{debug(document)} Is not object")
    name = document.get("signature_name", "")
    if not isinstance(name, str):
        raise invalid(f"{debug(document)} not formatted correctly. 'signature_name' key must be a string value.")
    return name


def predict_inputs(document: Mapping[str, Json], wanted: Mapping[str, DType]) -> tuple[dict[str, Array], bool]:
    """Return the inputs of a predict request by name, and whether they came in row form.

    Of a signature with several inputs, a row of bytes (`{"b64": "..."}`) is taken for the first one, and no error.
    """
    has_rows, has_columns = "instances" in document, "inputs" in document
    if has_rows and has_columns:
        raise invalid(
            f"{debug(document)} Not formatted correctly expecting only one of 'inputs' or 'instances' keys to exist "
        )
    if has_rows:
        return _from_rows(document, wanted), True
    if has_columns:
        return _from_columns(document["inputs"], wanted), False
    raise invalid("Missing 'inputs' or 'instances' key")


def _from_rows(document: Mapping[str, Json], wanted: Mapping[str, DType]) -> dict[str, Array]:
    rows = document["instances"]
    if not isinstance(rows, list):
        raise invalid(f"{debug(document)} Expecting 'instances' to be an list/array")
    if not rows:
        raise invalid(f"{debug(document)} No values in 'instances' array")
    if _is_keyed(rows[0]):
        return _quick_keyed(rows, wanted) or _exact_keyed(rows, wanted)
    if len(wanted) > 1 and not isinstance(rows[0], dict):
        raise invalid(
            "instances is a plain list, but expecting list of objects as multiple input tensors required as per "
            "tensorinfo_map"
        )
    name, dtype = next(iter(wanted.items()))
    array = _quick(rows, dtype)
    return {name: _exact_plain(rows, name, dtype) if array is None else array}


def _from_columns(columns: Json, wanted: Mapping[str, DType]) -> dict[str, Array]:
    if not _is_keyed(columns):
        if len(wanted) > 1:
            raise invalid(
                "inputs is a plain value/list, but expecting an object as multiple input tensors required as per "
                "tensorinfo_map"
            )
        columns = dict.fromkeys(wanted, columns)
    return {name: _column(columns, name, dtype) for name, dtype in wanted.items()}


def _column(columns: Mapping[str, Json], name: str, dtype: DType) -> Array:
    if name not in columns:
        raise invalid(f"Missing named input: {name} in 'inputs' object.")
    array = _quick(columns[name], dtype)
    return _exact_column(columns[name], name, dtype) if array is None else array


def _is_keyed(value: Json) -> bool:
    """Tell an object of named inputs from a value; `{"b64": "..."}` is a value."""
    return isinstance(value, dict) and not is_base64(value)


def is_base64(value: Mapping[str, Json]) -> bool:
    """Tell whether an object is `{"b64": "..."}` and nothing else."""
    return len(value) == 1 and isinstance(value.get("b64"), str) and not isinstance(value, Members)


def _quick_keyed(rows: Sequence[Json], wanted: Mapping[str, DType]) -> dict[str, Array] | None:
    if any(type(row) is not dict or row.keys() != wanted.keys() for row in rows):
        return None
    arrays = {name: _quick([row[name] for row in rows], dtype) for name, dtype in wanted.items()}
    return {name: array for name, array in arrays.items() if array is not None} if _whole(arrays) else None


def _whole(arrays: Mapping[str, Array | None]) -> bool:
    return all(array is not None for array in arrays.values())


def _quick(value: Json, dtype: DType) -> Array | None:
    """Return a regular nested list of the right types as an array; None where the exact way has to look."""
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
    """Make the array of checked values; None when a number is out of the dtype's range."""
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
    """Return floats; what is too large for them becomes infinity, and what is too small to be normal zero."""
    if len(flat) <= _FEW and _all_normal(flat, dtype):
        return np.array(flat, dtype.numpy)
    with np.errstate(over="ignore", invalid="ignore"):
        array: Array = np.array(flat, np.float64).astype(dtype.numpy)
        array *= np.abs(array) >= _SMALLEST[dtype.name]
    return array


def _all_normal(flat: Sequence[Any], dtype: DType) -> bool:
    """Tell whether every value is zero or well inside the normal range of its type."""
    low, high = _NORMAL[dtype.name]
    for value in flat:  # noqa: SIM110 - all() and a generator take twice as long
        if not (low <= value <= high or -high <= value <= -low or value == 0):
            return False
    return True


def _exact_plain(rows: Sequence[Json], name: str, dtype: DType) -> Array:
    column = _Column(dtype)
    for place, row in enumerate(rows):
        if _is_keyed(row):
            raise invalid(f"Expecting value/list but got object at item {place} of input list")
        _add(column, row, f"{place} of 'instances' list.")
    return column.array(name, len(rows))


def _exact_keyed(rows: Sequence[Json], wanted: Mapping[str, DType]) -> dict[str, Array]:
    columns = {name: _Column(dtype) for name, dtype in wanted.items()}
    for place, row in enumerate(rows):
        if not _is_keyed(row):
            raise invalid(f"Expecting object but got list at item {place} of input list")
        named = [(c_name(name), value) for name, value in members(row)]
        for name, value in named:
            _add(columns.get(name), value, f"{place} key: {name} of 'instances' list.", name)
        if {name for name, _ in named} != wanted.keys():
            raise invalid(
                f"Failed to process element: {place} of 'instances' list. JSON object: "
                f"{debug(row).removeprefix('JSON Value: ')} keys must be equal to: {','.join(sorted(wanted))}"
            )
    return {name: column.array(name, len(rows)) for name, column in columns.items()}


def _add(column: _Column | None, value: Json, where: str, name: str = "") -> None:
    try:
        if column is None:
            raise invalid(f"JSON object: does not have named input: {name}")
        column.add(value)
    except ServingError as error:
        raise invalid(f"Failed to process element: {where} Error: {error}") from error


def _exact_column(value: Json, name: str, dtype: DType) -> Array:
    shape = _shape(value)
    return _finished(list(_leaves(value, shape, dtype)), shape, name, dtype)


def _finished(flat: Sequence[Any], shape: Sequence[int], name: str, dtype: DType) -> Array:
    array = None if len(shape) > min(MAX_RANK, _NUMPY_RANK) else _array(flat, shape, dtype)
    if array is None:
        raise invalid(f"tensor parsing error: {name}")
    return array


class _Column:
    """The values of one input in row form, which must all have the first one's shape.

    A row that names an input twice adds two values: the batch takes as many as it has rows, from the first on.
    """

    def __init__(self, dtype: DType) -> None:
        self._dtype = dtype
        self._flat: list[Any] = []
        self._size: int | None = None
        self._shape: list[int] = []

    def add(self, value: Json) -> None:
        """Take one more value."""
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
        """Return all rows as one batch."""
        return _finished(self._flat[: rows * (self._size or 0)], [rows, *self._shape], name, self._dtype)


def _text(shape: Sequence[int]) -> str:
    return f"[{','.join(map(str, shape))}]"


def _shape(value: Json) -> list[int]:
    """Return the shape that the first elements show."""
    shape = []
    while isinstance(value, list):
        shape.append(len(value))
        if not value:
            break
        value = value[0]
    return shape


def _leaves(value: Json, shape: Sequence[int], dtype: DType) -> Iterator[Any]:
    """Yield the converted values of a dense tensor in order; refuses lists that do not fit the shape."""
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
    """Return the bytes of a `{"b64": "..."}` object; padding may be left out, or be dots, as absl allows."""
    if not is_base64(value):
        raise invalid(f"{debug(value)} not formatted correctly for base64 data")
    text = _SPACES.sub("", value["b64"])
    bare = text.rstrip("=.")
    try:
        if not _BASE64.fullmatch(text) or (bare != text and len(text) % 4):
            raise binascii.Error
        return base64.b64decode(bare + "=" * (-len(bare) % 4))
    except binascii.Error as error:
        raise invalid("Unable to base64 decode") from error
