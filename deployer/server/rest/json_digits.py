"""The digits of float32 values as printf has them: as doubles, whose shortest texts have these digits and no others.

For magnitudes between 1e-4 and 1e9 each step is exact: the product with a power of ten fits into the double's 53 bits
(24 + 28). Down to 1e-14 printf writes an exponent: there a large number of the same digits is given, whose exponent is
another by a fixed number and as long. What is smaller still, or large, or no number, is left to others.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import orjson

from deployer.server.dtypes import Array

CACHED = 1 << 16
"""So many values at once: a processor's cache holds what they become, and NumPy's calls cost less than their work."""
LEFT_OUT = 1e200
"""Stands where a value is left to others."""
FIRST_CODE, CODES_FROM = 21, 16
"""A large number stands for a small value: its exponent is `CODES_FROM` less the value's own, which is -5 at most."""
_AT_TIE = 1e-6
_WITHOUT_EXPONENT = (1e-4, 1e6)
_SMALLEST = 1e-14 if orjson.dumps(1.5e21) == b"1.5e+21" else _WITHOUT_EXPONENT[0]
_NINE_DIGITS = 1e9
# Of fewer small values each is printed alone sooner than a whole text is searched for exponents.
_SHARE_WORTH_IT = 1 / 512


def powers(exponents: range) -> Array:
    """The powers of ten, each the nearest double."""
    return np.array([float(f"1e{exponent}") for exponent in exponents])


def near_ties(six: Array, nine: Array) -> Array:
    """Where values that were scaled to six and to nine digits are too near to a tie to tell how printf rounds."""
    near: Array = (np.abs(six % 1 - 0.5) <= _AT_TIE) | (np.abs(nine % 1 - 0.5) <= _AT_TIE)
    return near


_NEAR = powers(range(-14, 10))
_NEAR_SCALES = powers(range(23, -2, -1))


def _scale_table() -> Array:
    """Return the scales by the upper half of a float32: NaN where a power of ten lies between values that share it."""
    halves = np.arange(1 << 15, dtype=np.uint32) << 16
    with np.errstate(invalid="ignore"):
        least, most = (np.searchsorted(_NEAR, (halves | rest).view(np.float32), "right") for rest in (0, 0xFFFF))
    return np.where(least == most, _NEAR_SCALES.take(least), np.nan)


_SCALES = _scale_table()


class Decimals(NamedTuple):
    """The doubles, where values were left to others, and whether large numbers stand for some small ones."""

    values: Array
    left_out: Array
    coded: bool


def decimals(flat: Array) -> Decimals:
    """Round every value of a flat array to what printf would write of it; floating point errors are to be ignored."""
    values, left_out, coded = np.empty(flat.size), np.zeros(flat.size, bool), False
    for start in range(0, flat.size, CACHED):
        piece = slice(start, start + CACHED)
        coded |= _round(flat[piece], values[piece], left_out[piece])
    values[left_out] = LEFT_OUT
    return Decimals(values, left_out, coded)


def _round(flat: Array, values: Array, left_out: Array) -> bool:
    """Fill in a piece; tell whether large numbers stand for some of its values."""
    size = np.abs(flat)
    exact = size.astype(np.float64)
    scale = _scales(size, exact)
    nine = _rounded(exact, scale)
    six = _rounded(exact, scale / 1000)
    short = six.astype(np.float32) == size
    np.copyto(nine, six, where=short)
    np.copysign(nine, flat, out=values)
    if exact.min() >= _WITHOUT_EXPONENT[0] and exact.max() < _WITHOUT_EXPONENT[1]:
        return False
    left_out |= short & (nine >= 1e6) | ~(exact < 1e9)
    small = np.flatnonzero((exact < _WITHOUT_EXPONENT[0]) & (exact > 0))
    if small.size < flat.size * _SHARE_WORTH_IT:
        left_out[small] = True
        return False
    coded, left_out[small] = _coded(exact[small], scale[small], short[small])
    values[small] = np.copysign(coded, flat[small])
    return small.size > 0


def _coded(exact: Array, scale: Array, short: Array) -> tuple[Array, Array]:
    """Return large numbers with the digits of small values, and where it is not sure that printf has these digits.

    A value that nine digits round up to the next power of ten has another exponent than its scale tells.
    """
    nine, six = exact * scale, exact * (scale / 1000)
    digits = np.where(short, np.rint(six) * 1000, np.rint(nine))
    return digits * scale, near_ties(six, nine) | (exact < _SMALLEST) | (digits >= _NINE_DIGITS)


def _scales(size: Array, exact: Array) -> Array:
    """Return the power of ten that leaves nine digits before the point, as the upper half of each value tells."""
    scales: Array = _SCALES.take(size.view(np.uint32) >> 16)
    between = np.flatnonzero(np.isnan(scales))
    scales[between] = _NEAR_SCALES.take(np.searchsorted(_NEAR, exact[between], "right"))
    return scales


def _rounded(exact: Array, scale: Array) -> Array:
    digits: Array = exact * scale
    np.rint(digits, out=digits)
    digits /= scale
    return digits
