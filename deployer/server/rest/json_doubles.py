"""Doubles as rapidjson 1.1 reads them, which now and then is one unit in the last place off.

It multiplies two doubles instead of finding the nearest one (`StrtodNormalPrecision`).
"""

from __future__ import annotations

import re

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
