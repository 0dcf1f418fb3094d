"""Plots of a benchmark as SVG, drawn without a library: text is escaped, and colours come from the page's classes."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from html import escape
from typing import NamedTuple

WIDTH, HEIGHT = 640, 300
LEFT, RIGHT, TOP, BOTTOM = 64, 16, 16, 44
LEGEND = 150
"""The width of the legend to the right of lines."""
MARK_NAME = 130
"""The width that the name of a mark may need."""
MAX_TICKS = 6
WIDE = 10
"""An axis is logarithmic if its highest value is more than so many times the lowest one."""


class Point(NamedTuple):
    """A point in the units of the axes."""

    x: float
    y: float


class Bucket(NamedTuple):
    """A bar of a histogram."""

    start: float
    end: float
    height: float


@dataclass(frozen=True)
class Series:
    """Points that a line joins; `style` is a class of the page."""

    name: str
    points: tuple[Point, ...]
    style: str


@dataclass(frozen=True)
class Bars:
    """A histogram of one style, with named values, and another one that lies over it as an outline."""

    title: str
    style: str
    buckets: Sequence[Bucket]
    marks: Sequence[tuple[str, float]] = ()
    outlined: Sequence[Bucket] = ()


@dataclass(frozen=True)
class Axis:
    """An axis from `low` to `high`, logarithmic or linear, along so many pixels."""

    label: str
    low: float
    high: float
    pixels: int
    logarithmic: bool = False

    def place(self, value: float) -> float:
        """Return how far from the start of the axis a value is, in pixels."""
        value = min(max(value, self.low), self.high)
        if self.logarithmic:
            return math.log(value / self.low) / math.log(self.high / self.low) * self.pixels
        return (value - self.low) / (self.high - self.low) * self.pixels

    def ticks(self) -> list[float]:
        """Return round values on the axis."""
        if not self.logarithmic:
            step = _round_step((self.high - self.low) / MAX_TICKS)
            return [step * number for number in range(math.ceil(self.low / step), math.floor(self.high / step) + 1)]
        exponents = range(math.floor(math.log10(self.low)), math.ceil(math.log10(self.high)) + 1)
        for factors in ((1, 2, 5), (1,)):
            found = [factor * 10.0**exponent for exponent in exponents for factor in factors]
            inside = [value for value in found if self.low <= value <= self.high]
            if len(inside) <= 2 * MAX_TICKS:
                break
        return inside


def x_axis(label: str, values: Iterable[float], *, logarithmic: bool = False) -> Axis:
    """Return the lower axis for values, from zero or, if it is logarithmic, from a bit below the least one."""
    return _axis(label, values, WIDTH - LEFT - RIGHT, logarithmic=logarithmic)


def x_axis_of_lines(label: str, values: Sequence[float]) -> Axis:
    """Return the lower axis of a plot with a legend, logarithmic for values of several magnitudes."""
    known = [value for value in values if value > 0]
    is_wide = bool(known) and max(known) > WIDE * min(known)
    return _axis(label, values, WIDTH - LEFT - LEGEND, logarithmic=is_wide)


def y_axis(label: str, values: Iterable[float], *, logarithmic: bool = False) -> Axis:
    """Return the left axis for values."""
    return _axis(label, values, HEIGHT - TOP - BOTTOM, logarithmic=logarithmic)


def _axis(label: str, values: Iterable[float], pixels: int, *, logarithmic: bool) -> Axis:
    known = [value for value in values if value > 0]
    low, high = (min(known), max(known)) if known else (1.0, 1.0)
    if logarithmic:
        return Axis(label, low / 1.2, high * 1.2, pixels, logarithmic=True)
    return Axis(label, 0.0, high * 1.05, pixels)


def lines(title: str, x: Axis, y: Axis, series: Sequence[Series]) -> str:
    """Return a plot of lines with a mark at each point, and a legend."""
    parts = [_polyline(each, x, y) for each in series]
    return _plot(title, x, y, [*parts, *_legend(series)])


def histogram(bars: Bars, x: Axis, y: Axis) -> str:
    """Return bars with named vertical lines, and the outline of other bars over them."""
    parts = [_bar(bucket, x, y, bars.style) for bucket in bars.buckets]
    if bars.outlined:
        parts.append(_outline(bars.outlined, x, y))
    for number, (name, value) in enumerate(bars.marks):
        place = LEFT + x.place(value)
        parts.append(f'<line class="mark" x1="{place:.1f}" x2="{place:.1f}" y1="{TOP}" y2="{HEIGHT - BOTTOM}"/>')
        anchor = "end" if place > WIDTH - MARK_NAME else "start"
        shift = -4 if anchor == "end" else 4
        parts.append(_text(place + shift, TOP + 10 + 14 * number, name, f"mark-name {anchor}"))
    return _plot(bars.title, x, y, parts)


def _outline(buckets: Sequence[Bucket], x: Axis, y: Axis) -> str:
    points: list[str] = []
    base = HEIGHT - BOTTOM
    for start, end, height in buckets:
        left, right, top = LEFT + x.place(start), LEFT + x.place(end), base - y.place(height)
        points += [f"{left:.1f},{base}", f"{left:.1f},{top:.1f}", f"{right:.1f},{top:.1f}", f"{right:.1f},{base}"]
    return f'<polyline class="earlier" points="{" ".join(points)}"/>'


def _bar(bucket: Bucket, x: Axis, y: Axis, style: str) -> str:
    start, end, height = bucket
    left, right, high = LEFT + x.place(start), LEFT + x.place(end), y.place(height)
    place = f'x="{left:.1f}" y="{HEIGHT - BOTTOM - high:.1f}" width="{max(1.0, right - left - 0.5):.1f}"'
    return f'<rect class="bar {style}" {place} height="{high:.1f}"/>'


def _polyline(series: Series, x: Axis, y: Axis) -> str:
    places = [(LEFT + x.place(point.x), HEIGHT - BOTTOM - y.place(point.y)) for point in series.points]
    points = " ".join(f"{left:.1f},{top:.1f}" for left, top in places)
    dots = "".join(f'<circle cx="{left:.1f}" cy="{top:.1f}" r="3"/>' for left, top in places)
    return f'<g class="series {series.style}"><polyline points="{points}"/>{dots}</g>'


def _legend(series: Sequence[Series]) -> list[str]:
    parts, left = [], WIDTH - LEGEND + 12
    for number, each in enumerate(series):
        top = TOP + 10 + 16 * number
        line = f'<line x1="{left}" x2="{left + 20}" y1="{top - 4}" y2="{top - 4}"/>'
        parts.append(f'<g class="series {each.style}">{line}</g>{_text(left + 26, top, each.name, "start")}')
    return parts


def _plot(title: str, x: Axis, y: Axis, parts: Sequence[str]) -> str:
    box = f'viewBox="0 0 {WIDTH} {HEIGHT}" role="img" aria-label="{escape(title)}"'
    return f"<svg {box}><title>{escape(title)}</title>{_grid(x, y)}{''.join(parts)}</svg>"


def _grid(x: Axis, y: Axis) -> str:
    base, end = HEIGHT - BOTTOM, LEFT + x.pixels
    parts = [f'<line class="axis" x1="{LEFT}" x2="{end}" y1="{base}" y2="{base}"/>']
    for value in x.ticks():
        place = LEFT + x.place(value)
        parts.append(f'<line class="axis" x1="{place:.1f}" x2="{place:.1f}" y1="{base}" y2="{base + 4}"/>')
        parts.append(_text(place, base + 16, _number(value), "middle"))
    for value in y.ticks():
        place = base - y.place(value)
        parts.append(f'<line class="grid" x1="{LEFT}" x2="{end}" y1="{place:.1f}" y2="{place:.1f}"/>')
        parts.append(_text(LEFT - 6, place + 4, _number(value), "end"))
    parts.append(_text(LEFT + x.pixels / 2, HEIGHT - 8, x.label, "middle label"))
    turned = f'transform="rotate(-90 14 {TOP + y.pixels / 2:.0f})"'
    parts.append(_text(14, TOP + y.pixels / 2, y.label, "middle label", turned))
    return "".join(parts)


def _text(x: float, y: float, text: str, style: str, more: str = "") -> str:
    return f'<text class="{style}" x="{x:.1f}" y="{y:.1f}" {more}>{escape(text)}</text>'


def _number(value: float) -> str:
    return f"{value:,.0f}" if value >= 1000 else f"{value:g}"


def _round_step(least: float) -> float:
    """Return 1, 2 or 5 times a power of ten that is not below `least`."""
    power: float = 10.0 ** math.floor(math.log10(least))
    return next(factor * power for factor in (1, 2, 5, 10) if factor * power >= least * (1 - 1e-9))
