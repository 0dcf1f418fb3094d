"""The report is one page of its own: well-formed, without scripts, and names in it are text."""

from __future__ import annotations

import dataclasses
import re
from html.parser import HTMLParser
from pathlib import Path

import pytest
from support.results import BENCH, CLOSED, STAGE

from deployer.benchmark import report
from deployer.benchmark.earlier import Earlier

HOSTILE = "</title><script>alert('x')</script><img src=x onerror=alert(1)>&\""
VOID = {"meta", "link", "br", "circle", "line", "rect", "polyline"}
EARLIER = Earlier("m", 1, "embedded", "2026-01-01", (STAGE, CLOSED), Path("before.json"))


class Page(HTMLParser):
    """Collects the elements, and checks that each is closed."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.elements: list[tuple[str, dict]] = []
        self.text = ""
        self.feed(text)
        self.close()
        assert self.open == []

    def handle_starttag(self, tag, attrs):
        self.elements.append((tag, dict(attrs)))
        if tag not in VOID:
            self.open.append(tag)

    def handle_endtag(self, tag):
        if tag not in VOID:
            assert self.open.pop() == tag

    def handle_startendtag(self, tag, attrs):
        self.elements.append((tag, dict(attrs)))

    def handle_data(self, data):
        self.text += data


def names(page: Page) -> list[str]:
    return [tag for tag, _ in page.elements]


def test_a_page_with_figures_and_a_plot_for_each_stage():
    page = Page(report.render(BENCH, None, None))
    assert names(page).count("svg") == 2
    assert "m:2 under load" in page.text
    assert "3 failed, HTTP 503: <b>busy</b>" in page.text
    assert "1 of 2 compared answers are wrong: y: off" in page.text
    assert "1,500" in page.text


def test_nothing_is_loaded_or_run():
    text = report.render(BENCH, EARLIER, None)
    page = Page(text)
    assert "script" not in names(page)
    assert not [attrs for _, attrs in page.elements if {"src", "onload", "onerror", "style"} & attrs.keys()]
    assert [attrs["href"] for _, attrs in page.elements if "href" in attrs] == ["data:,"]
    assert "@import" not in text
    assert "url(" not in text
    policies = [attrs["content"] for tag, attrs in page.elements if attrs.get("http-equiv")]
    assert policies[0].startswith("default-src 'none'")


def test_names_are_text():
    stage = dataclasses.replace(
        STAGE, api=HOSTILE, first_wrong=HOSTILE, limit=HOSTILE,
        failures=(dataclasses.replace(STAGE.failures[0], kind=HOSTILE, example=HOSTILE),),
    )  # fmt: skip
    other = dataclasses.replace(stage, rate=7.0)
    result = dataclasses.replace(
        BENCH, name=HOSTILE, model=HOSTILE, questions_from=HOSTILE, stages=(stage, other), against=HOSTILE,
        notices=(HOSTILE,), created=HOSTILE,
    )  # fmt: skip
    text = report.render(result, dataclasses.replace(EARLIER, stages=(stage,)), None)
    page = Page(text)
    assert not {"script", "img"} & set(names(page))
    assert not re.search(r"onerror=alert\(1\)>(?!&)", text)
    assert page.text.count(HOSTILE) > 10


def test_several_loads_are_plotted_over_the_load():
    more = tuple(dataclasses.replace(STAGE, rate=rate) for rate in (50.0, 100.0, 5000.0))
    clients = tuple(dataclasses.replace(CLOSED, clients=number) for number in (1, 8))
    page = Page(report.render(dataclasses.replace(BENCH, stages=(*more, *clients)), EARLIER, None))
    assert names(page).count("svg") == 5 + 4
    for text in ("requests/s that were due", "clients", "REST (earlier)", "gRPC p99.9", "all answered"):
        assert text in page.text


@pytest.mark.parametrize("earlier", [None, EARLIER])
def test_a_stage_without_an_answer_has_no_plot(earlier):
    stage = dataclasses.replace(STAGE, latency=None, histogram=(), answered_per_second=0.0)
    page = Page(report.render(dataclasses.replace(BENCH, stages=(stage,)), earlier, None))
    assert names(page).count("svg") <= 1
    assert "no answer" in page.text


def test_an_interrupted_benchmark_is_said_to_be_one():
    assert "Interrupted" in report.render(dataclasses.replace(BENCH, interrupted=True), None, None)
