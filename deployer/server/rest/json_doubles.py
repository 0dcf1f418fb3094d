"""Doubles as rapidjson 1.1 reads and writes them, which now and then is one unit in the last place off.

Reading multiplies two doubles instead of finding the nearest one (`StrtodNormalPrecision`); writing follows Florian
Loitsch's Grisu2, whose digits are not always the nearest ones. Nobody would choose either; clients see both.
"""

from __future__ import annotations

import math
import re
import struct

_NUMBER = re.compile(r"(-?)([0-9]+)(?:\.([0-9]+))?(?:[eE]([+-]?[0-9]+))?")
_POWERS = [float(f"1e{exponent}") for exponent in range(309)]
_SMALLEST_NORMAL = 2.2250738585072014e-308
_LARGEST_BY_TEN = 1.7976931348623157e307
_ALWAYS_EXACT = 15
_KEPT_DIGITS = 17
_MOST_DIGITS = 9
_WORD = 64
_MASK = (1 << _WORD) - 1


def read(text: str) -> float:
    """Return the value of a JSON number; raises OverflowError for one that rapidjson calls too big."""
    minus, whole, fraction, exponent = _NUMBER.fullmatch(text).groups()  # type: ignore[union-attr]
    size, power = _significand(whole, fraction or "", (1 << 63) if minus else _MASK)
    if exponent:
        raised = _exponent(exponent)
        if len(exponent.lstrip("+")) > 1 and raised > 308 - power:
            raise OverflowError(text)
        power += raised
    value = _scaled(size, power) if power >= -308 else _scaled(_scaled(size, -308), power + 308)
    return -value if minus else value


def _exponent(text: str) -> int:
    """Return a power of ten, or one that is far beyond every double: there may be megabytes of digits."""
    minus = text.startswith("-")
    size = text.lstrip("+-0")[:_MOST_DIGITS] or "0"
    return -int(size) if minus else int(size)


def _significand(whole: str, fraction: str, largest: int) -> tuple[float, int]:
    """Return a number's digits as a double, and the power of ten that they lack."""
    if len(whole) + len(fraction) <= _ALWAYS_EXACT:
        return float(int(whole + fraction)), -len(fraction)
    most = len(str(largest))
    kept = min(len(whole), most - (int(whole[:most]) > largest))
    number, place = int(whole[:kept]), 0 if whole != "0" else len(fraction) - len(fraction.lstrip("0"))
    if kept < len(whole):
        return _long_whole(float(number), whole[kept:]), 0
    while place < len(fraction) and number < 1 << 53:
        number, place = number * 10 + int(fraction[place]), place + 1
    return _long_fraction(float(number), fraction, place, kept - 1 + _counted(whole, fraction[:place]))


def _counted(whole: str, fraction: str) -> int:
    """Return how many digits of a fraction count: not the zeros that a number begins with."""
    return len(fraction if whole != "0" else fraction.lstrip("0"))


def _long_whole(value: float, digits: str) -> float:
    for digit in digits:
        if value >= _LARGEST_BY_TEN:
            raise OverflowError
        value = value * 10 + int(digit)
    return value


def _long_fraction(value: float, fraction: str, place: int, counted: int) -> tuple[float, int]:
    while place < len(fraction) and counted < _KEPT_DIGITS:
        value, place = value * 10 + int(fraction[place]), place + 1
        counted += value > 0
    return value, -place


def _scaled(value: float, power: int) -> float:
    if power < -308:
        return 0.0
    value = value * _POWERS[power] if power >= 0 else value / _POWERS[-power]
    return value if value >= _SMALLEST_NORMAL else 0.0


def digits(value: float) -> tuple[str, int]:
    """Return the digits that Grisu2 finds for a positive double, and the power of ten to multiply them with."""
    mantissa, exponent = _parts(value)
    plus, plus_exponent = _normal(mantissa * 2 + 1, exponent - 1)
    below, below_exponent = (
        (mantissa * 4 - 1, exponent - 2) if mantissa == 1 << 52 else (mantissa * 2 - 1, exponent - 1)
    )
    minus = below << (below_exponent - plus_exponent)
    power, scale, scale_exponent = _cached_power(plus_exponent)
    middle, high, low = (_product(part, scale) for part in (_normal(mantissa, exponent)[0], plus, minus))
    text, left = _generated(middle, high - 1, high - low - 2, -(plus_exponent + scale_exponent + _WORD))
    return text, left - power


def _parts(value: float) -> tuple[int, int]:
    bits = struct.unpack("<Q", struct.pack("<d", value))[0]
    biased, mantissa = bits >> 52 & 0x7FF, bits & (1 << 52) - 1
    return (mantissa | 1 << 52, biased - 1075) if biased else (mantissa, -1074)


def _normal(mantissa: int, exponent: int) -> tuple[int, int]:
    """Shift a number's first bit to the top of a word."""
    shift = _WORD - mantissa.bit_length()
    return mantissa << shift, exponent - shift


def _cached_power(exponent: int) -> tuple[int, int, int]:
    """Return the power of ten to divide by so that digits can be cut off: itself, as a word, and as its exponent."""
    power = -348 + 8 * ((math.ceil((-61 - exponent) * 0.30102999566398114 + 347) >> 3) + 1)
    if power >= 0:
        shift = (10**power).bit_length() - _WORD
        word = 10**power << -shift if shift <= 0 else (10**power + (1 << shift - 1)) >> shift
    else:
        shift = -((10**-power).bit_length() + _WORD - 1)
        word = ((1 << -shift + 1) // 10**-power + 1) >> 1
    return power, word, shift


def _product(left: int, right: int) -> int:
    return (left * right + (1 << _WORD - 1)) >> _WORD


def _generated(middle: int, high: int, room: int, shift: int) -> tuple[str, int]:
    """Cut digits off the upper boundary until what is left is inside the room below it."""
    gap, one = high - middle, 1 << shift
    whole, rest = high >> shift, high & (one - 1)
    found = ""
    for kappa in range(len(str(whole)) - 1, -1, -1):
        digit, whole = divmod(whole, 10**kappa)
        found += str(digit)
        left = (whole << shift) + rest
        if left <= room:
            return _rounded(found, room, left, 10**kappa << shift, gap), kappa
    kappa = 0
    while True:
        rest, room, kappa = rest * 10, room * 10 & _MASK, kappa - 1
        found = (found + str(rest >> shift)).lstrip("0")
        rest &= one - 1
        if rest < room:
            return _rounded(found, room, rest, one, gap * 10**-kappa & _MASK if kappa > -9 else 0), kappa


def _rounded(found: str, room: int, left: int, step: int, gap: int) -> str:
    """Lower the last digit while that brings the text nearer to the value."""
    last = int(found[-1])
    while left < gap and room - left >= step and (left + step < gap or gap - left > left + step - gap):
        last, left = last - 1, left + step
    return found[:-1] + str(last)
