"""Write arrays of numbers as JSON: orjson prints the fewest digits that read back as the same value.

For values that are not finite it prints `null`, where TensorFlow Serving writes NaN and Infinity.
"""

from __future__ import annotations

import itertools

import numpy as np
import orjson

from deployer.server.dtypes import Array

_NULL = b"null"
_NULL_LETTER = b"n"  # occurs in no number, true or false, and is found faster than a word


def dump(array: Array) -> bytes:
    """Return whole numbers, booleans or floats as nested lists; a scalar as a list of one."""
    text = orjson.dumps(np.ascontiguousarray(array), option=orjson.OPT_SERIALIZE_NUMPY)
    return _restore_non_finite(text, array[~np.isfinite(array)]) if _NULL_LETTER in text else text


def texts(flat: Array) -> list[str]:
    """Return the text of every value of a flat array."""
    return dump(flat)[1:-1].decode("ascii").split(",") if flat.size else []


def _restore_non_finite(text: bytes, non_finite: Array) -> bytes:
    """Replace each null by the word for its value."""
    words = np.where(np.isnan(non_finite), b"NaN", np.where(non_finite > 0, b"Infinity", b"-Infinity")).tolist()
    between = text.split(_NULL)
    return b"".join(itertools.chain.from_iterable(itertools.zip_longest(between, words, fillvalue=b"")))
