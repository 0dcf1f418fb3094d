"""Write arrays as the JSON of a response, formatted as TensorFlow Serving does.

Source: `tensorflow_serving/util/json_tensor.cc` over rapidjson's PrettyWriter.
"""

from __future__ import annotations

import base64
import math
from collections.abc import Mapping, Sequence

from deployer.server.dtypes import BY_NUMPY, Array, DType
from deployer.server.rest import json_numbers
from deployer.server.rest.json_text import encode, quote
from deployer.server.status import invalid

_WRITABLE = frozenset("float double int32 int16 int8 uint8 int64 uint32 uint64 bool string".split())
_INDENT = " " * 4


def rows(outputs: Mapping[str, Array]) -> bytes:
    """Return outputs as `predictions`, one item per row of the batch. Raises ServingError."""
    batch = _batch_size(outputs)
    if not batch:
        return b'{\n    "predictions": []\n}'
    if len(outputs) == 1:
        ((name, array),) = outputs.items()
        items = _row_items(name, array)
    else:
        items = encode(",".join(_objects(outputs)))
    return b"".join((b'{\n    "predictions": [', items, b"\n    ]\n}"))


def columns(outputs: Mapping[str, Array]) -> bytes:
    """Return outputs as `outputs`, one whole tensor each. Raises ServingError."""
    if not outputs:
        raise invalid("Cannot convert empty tensor map to JSON")
    if len(outputs) == 1:
        ((name, array),) = outputs.items()
        return encode(f'{{\n    "outputs": {_indented(name, array, 1)}\n}}')
    members = ",".join(f"\n        {quote(name)}: {_indented(name, array, 2)}" for name, array in outputs.items())
    return encode(f'{{\n    "outputs": {{{members}\n    }}\n}}')


def _row_items(name: str, array: Array) -> bytes | memoryview:
    """Return the rows of the only output on one line."""
    if array.size and _writable(array).name != "string":
        return memoryview(json_numbers.dump(array).replace(b",", b", "))[1:-1]
    return encode(", ".join(_lines(name, array, depth=2)))


def _batch_size(outputs: Mapping[str, Array]) -> int:
    if not outputs:
        raise invalid("Cannot convert empty tensor map to JSON")
    batch: int | None = None
    for name, array in outputs.items():
        if not array.ndim:
            raise invalid(f"Tensor name: {name} has no shape information ")
        if batch is not None and array.shape[0] != batch:
            raise invalid(f"Tensor name: {name} has inconsistent batch size: {array.shape[0]} expecting: {batch}")
        batch = array.shape[0]
    return batch or 0


def _objects(outputs: Mapping[str, Array]) -> list[str]:
    """Return one object for each row of several outputs."""
    keyed = [[f"{quote(name)}: {text}" for text in _lines(name, array, 3)] for name, array in outputs.items()]
    gap = f"\n{_INDENT * 3}"
    return [f"\n        {{{gap}{f',{gap}'.join(members)}\n        }}" for members in zip(*keyed, strict=True)]


def _lines(name: str, array: Array, depth: int) -> list[str]:
    """Return each row of an array on one line; `depth` is the nesting level of a row."""
    texts = _texts(name, array, depth + array.ndim - 1)
    for axis in range(array.ndim - 1, 0, -1):
        texts = [f"[{', '.join(chunk)}]" for chunk in _chunks(texts, array.shape, axis)]
    return texts


def _indented(name: str, array: Array, depth: int) -> str:
    """Return an array with one value per line; `depth` is its nesting level."""
    texts = _texts(name, array, depth + array.ndim)
    for axis in range(array.ndim - 1, -1, -1):
        gap, end = f"\n{_INDENT * (depth + axis + 1)}", f"\n{_INDENT * (depth + axis)}"
        texts = [
            f"[{gap}{f',{gap}'.join(chunk)}{end}]" if chunk else "[]" for chunk in _chunks(texts, array.shape, axis)
        ]
    return texts[0]


def _chunks(texts: Sequence[str], shape: Sequence[int], axis: int) -> list[Sequence[str]]:
    size = shape[axis]
    return [texts[index * size : (index + 1) * size] for index in range(math.prod(shape[:axis]))]


def _texts(name: str, array: Array, depth: int) -> list[str]:
    """Return the text of every value in order; `depth` is the nesting level of a value."""
    if not array.size:
        return []
    dtype = _writable(array)
    flat = array.ravel()
    if dtype.name != "string":
        return json_numbers.texts(flat)
    if name.endswith("_bytes"):
        return [_base64(value, depth) for value in flat.tolist()]
    return [quote(_decoded(value)) for value in flat.tolist()]


def _writable(array: Array) -> DType:
    """Return the dtype of an output. Raises ServingError if JSON cannot represent it."""
    dtype = BY_NUMPY.get(array.dtype)
    if dtype is None or dtype.name not in _WRITABLE:
        raise invalid(f"Failed to write JSON value for tensor type: {dtype.name if dtype else array.dtype}")
    return dtype


def _decoded(value: bytes | str) -> str:
    return value if isinstance(value, str) else value.decode("utf-8", "surrogateescape")


def _base64(value: bytes, depth: int) -> str:
    text = base64.b64encode(value).decode("ascii")
    return f'{{\n{_INDENT * (depth + 1)}"b64": "{text}"\n{_INDENT * depth}}}'
