"""Numbers of whole arrays as TensorFlow Serving prints them: six digits where these give the number back, else all.

Source: `tensorflow_serving/util/json_tensor.cc`, which asks printf: `%.6g`, then `%.9g` (float) or `%.17g` (double).

A float32 is printed without printf: orjson prints the shortest text of the double that `json_digits` made of it, and
exponents of small values are exchanged. What is left out there gets a placeholder, and a text of its own.
"""

from __future__ import annotations

import math
import struct
import threading
from collections.abc import Sequence
from contextlib import AbstractContextManager, nullcontext
from typing import Any

import numpy as np
import orjson

from deployer.server.dtypes import Array
from deployer.server.rest.json_digits import CACHED, CODES_FROM, FIRST_CODE, LEFT_OUT, decimals, near_ties, powers

Text = bytes | bytearray
Pieces = list[bytes | memoryview]
_DIGITS = {np.dtype(np.float32): 9, np.dtype(np.float64): 17}
_NOT_FINITE = {"nan": "NaN", "-nan": "NaN", "inf": "Infinity", "-inf": "-Infinity"}
_SINGLE = struct.Struct("f")
# For so many values a loop is quicker than NumPy, whose calls cost more than they do.
FEW = 16
_MANY = 1 << 10
_PLACEHOLDER = orjson.dumps(LEFT_OUT)
_LETTER = b"+" if b"+" in _PLACEHOLDER else b"e"
_BEFORE = _PLACEHOLDER.partition(_LETTER)[0]
_SIGN, _SIGN_TO_BLANK = ord("-"), np.uint8(ord("-") - ord(" "))
_EXPONENT, _ZERO = ord("e"), ord("0")
_PLAIN = (1e-14, 1e26)
_TURN = threading.Lock()
_LOWEST = np.array([math.floor((bits - 127) * math.log10(2)) for bits in range(256)])
_FAR = range(-46, 41)
_FAR_NEXT = powers(range(-45, 42))
_EXACT = powers(range(23))
_FAR_SUFFIXES = [f"e{exponent:+03d}" for exponent in _FAR]


def items(array: Array, comma: bytes = b",") -> Pieces:
    """Print whole numbers, booleans or float32 as nested lists, without the outermost brackets; there is a value.

    What is between the values of a list is `comma`: alone, or with a blank.
    """
    if array.dtype.kind != "f":
        text = _dumped(np.ascontiguousarray(array))
        return [memoryview(text if comma == b"," else text.replace(b",", comma))[1:-1]]
    flat = np.ascontiguousarray(array).reshape(-1)
    with _turn(flat.size), np.errstate(all="ignore"):
        found = decimals(flat)
        text = (_dumped if comma == b"," else _spaced)(found.values.reshape(array.shape))
        text = _with_exponents(text) if found.coded else text
        return _filled(text, _odd_texts(flat[found.left_out]) if found.left_out.any() else [])


def _turn(size: int) -> AbstractContextManager[object]:
    """Large arrays take turns: NumPy drops Python's lock at each step, and two threads would hand it to and fro."""
    return _TURN if size > CACHED else nullcontext()


def _filled(text: Text, odd: Sequence[str]) -> Pieces:
    """Put texts where the placeholders are. One letter is looked for: that is memchr, quicker than any split."""
    view = memoryview(text)
    pieces: Pieces = []
    at = 1
    for each in odd:
        found = text.index(_LETTER, at) - len(_BEFORE)
        pieces += (view[at:found], each.encode("ascii"))
        at = found + len(_PLACEHOLDER)
    return [*pieces, view[at:-1]]


def _dumped(array: Array) -> Text:
    return orjson.dumps(array, option=orjson.OPT_SERIALIZE_NUMPY)


def _spaced(decimals: Array) -> Text:
    """Print doubles with a blank after each comma.

    To look for commas takes half as long as orjson's printing. Lists of values without a sign, say probabilities,
    spare it: all but the first of each get a sign, in whose place the blank is then put.
    """
    if decimals.shape[-1] == 1 or decimals.size < _MANY or np.signbit(decimals).any():
        return _dumped(decimals).replace(b",", b", ")
    np.negative(decimals[..., 1:], out=decimals[..., 1:])
    text = bytearray(_dumped(decimals))
    letters = np.frombuffer(text, np.uint8)
    signs = (letters == _SIGN).view(np.uint8)
    signs *= _SIGN_TO_BLANK
    letters -= signs
    return text if decimals.shape[-1] == decimals.size else text.replace(b"],", b"], ")


def texts(flat: Array) -> list[str]:
    """Print every value of a flat array of whole numbers, booleans or floats."""
    if flat.dtype.kind == "f" and flat.size <= FEW:
        return [_float_text(value, flat.dtype) for value in flat.tolist()]
    if flat.dtype == np.float64:
        return _double_texts(flat)
    return b"".join(items(flat)).decode("ascii").split(",") if flat.size else []


def _with_exponents(text: Text) -> Text:
    """Exchange the exponents of large numbers that stand for small values: the new ones are as long."""
    text = bytearray(text)
    letters = np.frombuffer(text, np.uint8)
    at = np.flatnonzero(letters == _EXPONENT)
    tens, ones = (letters[at + place].astype(np.intp) - _ZERO for place in (2, 3))
    code = tens * 10 + ones
    coded = code >= FIRST_CODE
    at, exponent = at[coded], code[coded] - CODES_FROM
    letters[at + 1] = _SIGN
    for place, digit in zip((2, 3), np.divmod(exponent, 10), strict=True):
        letters[at + place] = digit + _ZERO
    return text


def _odd_texts(flat: Array) -> list[str]:
    """Print float32 values that have an exponent in their texts, or are not finite."""
    size = np.abs(flat).astype(np.float64)
    plain = (size >= _PLAIN[0]) & (size < _PLAIN[1])
    found = [""] * flat.size
    if plain.any():
        for place, text in zip(np.flatnonzero(plain).tolist(), _scientific(flat[plain]), strict=True):
            found[place] = text
    for place in (place for place, text in enumerate(found) if not text):
        found[place] = _float_text(float(flat[place]), flat.dtype)
    return found


def _scientific(flat: Array) -> list[str]:
    """Print float32 values with an exponent; nothing where it is not sure that printf would do so."""
    size = np.abs(flat).astype(np.float64)
    exponent = _LOWEST.take(flat.view(np.uint32) >> 23 & 255)
    exponent += size >= _FAR_NEXT.take(exponent - _FAR.start)
    six, nine = (_scaled(size, digits - 1 - exponent) for digits in (6, 9))
    sure = ~near_ties(six, nine)
    six, nine = np.rint(six), np.rint(nine)
    short = _scaled(six, exponent - 5).astype(np.float32) == np.abs(flat)
    mantissa = np.where(short, six / 1e5, nine / 1e8)
    exponent += mantissa >= 10
    mantissa[mantissa >= 10] = 1.0
    sure &= (exponent < -4) | (exponent >= np.where(short, 6, 9))
    digits = _dumped(np.copysign(mantissa, flat))[1:-1].decode("ascii").split(",")
    suffixes = map(_FAR_SUFFIXES.__getitem__, (exponent - _FAR.start).tolist())
    return [
        text.removesuffix(".0") + suffix if good else ""
        for text, suffix, good in zip(digits, suffixes, sure.tolist(), strict=True)
    ]


def _scaled(values: Array, exponent: Array) -> Array:
    """Multiply with a power of ten, rounding once: up to the 22nd they are doubles, and one of the two is 1."""
    up, down = (_EXACT.take(np.maximum(each, 0)) for each in (exponent, -exponent))
    scaled: Array = values * up / down
    return scaled


def _double_texts(flat: Array) -> list[str]:
    values = flat.tolist()
    found = ("%.6g " * len(values) % tuple(values)).split()
    exact = np.array(list(map(float, found))) == flat
    for place in np.flatnonzero(~exact).tolist():
        found[place] = f"{values[place]:.17g}"
    return [_finished(_NOT_FINITE.get(text, text)) for text in found]


def _float_text(value: float, dtype: Any) -> str:
    """Print one float."""
    if not math.isfinite(value):
        return _NOT_FINITE[f"{value}"]
    text = f"{value:.6g}"
    again = float(text)
    if again != value and (dtype.itemsize != _SINGLE.size or _SINGLE.unpack(_SINGLE.pack(again))[0] != value):
        text = f"{value:.{_DIGITS[dtype]}g}"
    return text if "." in text or "e" in text else text + ".0"


def _finished(text: str) -> str:
    """Add the fraction that a whole number lacks."""
    return text if "." in text or "e" in text or text[-1] in "Ny" else text + ".0"
