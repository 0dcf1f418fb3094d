"""Numbers of whole arrays as JSON: orjson prints each in the fewest digits that read back as the same value.

Where it prints `null`, for what is not finite, TensorFlow Serving has the bare words NaN and Infinity.
"""

from __future__ import annotations

import itertools

import numpy as np
import orjson

from deployer.server.dtypes import Array

_NULL = b"null"
_LETTER = b"n"  # which no number, true or false has, and which is found quicker than a word


def dump(array: Array) -> bytes:
    """Print whole numbers, booleans or floats as nested lists; an array without dimensions as a list of one."""
    text = orjson.dumps(np.ascontiguousarray(array), option=orjson.OPT_SERIALIZE_NUMPY)
    return _with_words(text, array[~np.isfinite(array)]) if _LETTER in text else text


def texts(flat: Array) -> list[str]:
    """Print every value of a flat array."""
    return dump(flat)[1:-1].decode("ascii").split(",") if flat.size else []


def _with_words(text: bytes, odd: Array) -> bytes:
    """Put the words for values that are not finite where orjson left a null."""
    words = np.where(np.isnan(odd), b"NaN", np.where(odd > 0, b"Infinity", b"-Infinity")).tolist()
    between = text.split(_NULL)
    return b"".join(itertools.chain.from_iterable(itertools.zip_longest(between, words, fillvalue=b"")))
