"""Plots put values where their axes say, are well-formed, and escape every text."""

from __future__ import annotations

import xml.etree.ElementTree as ET

import pytest

from deployer.benchmark import plots
from deployer.benchmark.plots import Axis, Bars, Bucket, Point, Series

HOSTILE = "<script>alert('x')</script>&\""


def test_places_on_a_linear_and_a_logarithmic_axis():
    assert [Axis("", 0, 10, 100).place(value) for value in (0, 5, 10, 99, -1)] == [0, 50, 100, 100, 0]
    places = [Axis("", 1, 100, 100, logarithmic=True).place(value) for value in (1, 10, 100, 0)]
    assert places == pytest.approx([0, 50, 100, 0])


@pytest.mark.parametrize(
    ("axis", "ticks"),
    [
        (Axis("", 0, 105, 100), [0, 20, 40, 60, 80, 100]),
        (Axis("", 0, 0.21, 100), [0, 0.05, 0.1, 0.15, 0.2]),
        (Axis("", 0.8, 12, 100, logarithmic=True), [1, 2, 5, 10]),
        (Axis("", 0.9, 2e9, 100, logarithmic=True), [10**exponent for exponent in range(10)]),
    ],
)
def test_ticks_are_round_and_few(axis, ticks):
    assert axis.ticks() == pytest.approx(ticks)


@pytest.mark.parametrize("values", [[], [0.0], [3.0], [3.0, 3.0], [1e-9, 1e12]])
@pytest.mark.parametrize("logarithmic", [False, True])
def test_any_values_make_an_axis(values, logarithmic):
    axis = plots.y_axis("y", values, logarithmic=logarithmic)
    assert axis.low < axis.high
    assert all(0 <= axis.place(value) <= axis.pixels for value in [0.0, *values])
    assert len(axis.ticks()) < 40


def test_lines_are_well_formed_and_escaped():
    series = Series(HOSTILE, (Point(1, 2), Point(100, 50)), "rest")
    x, y = plots.x_axis_of_lines(HOSTILE, [1, 100]), plots.y_axis(HOSTILE, [2, 50])
    drawn = plots.lines(HOSTILE, x, y, [series])
    assert "<script" not in drawn
    root = ET.fromstring(drawn)
    assert len(root.findall(".//circle")) == 2
    assert [text.text for text in root.findall(".//text")].count(HOSTILE) == 3


def test_a_histogram_has_a_bar_for_each_bucket_and_its_outline():
    buckets = [Bucket(1, 2, 40), Bucket(2, 4, 60)]
    x, y = plots.x_axis("ms", [1, 4], logarithmic=True), plots.y_axis("%", [60])
    root = ET.fromstring(plots.histogram(Bars(HOSTILE, "rest", buckets, [(HOSTILE, 3.0)], buckets), x, y))
    bars = root.findall(".//rect")
    assert [bar.get("class") for bar in bars] == ["bar rest", "bar rest"]
    heights = [float(bar.get("height")) for bar in bars]
    assert heights[0] / heights[1] == pytest.approx(40 / 60, abs=0.01)
    assert len(root.findall(".//polyline[@class='earlier']")) == 1
