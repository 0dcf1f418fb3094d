"""A benchmark is a table, and a line for whatever a table would hide."""

from __future__ import annotations

import dataclasses
import os
import shutil

import pytest
from support.results import BENCH, CLOSED, LATENCY, STAGE

from deployer import console


def shown(capsys, result):
    console.bench.show_bench(result)
    return capsys.readouterr()


def test_a_row_for_each_stage(capsys):
    lines = shown(capsys, BENCH).out.splitlines()
    assert lines[0] == "m:2 at http://127.0.0.1:8501, 4 different requests (golden set of m:2)"
    rows = [line.split("  ") for line in lines[1:4]]
    cells = [[cell.strip() for cell in row if cell.strip()] for row in rows]
    assert cells[0] == ["ANSWERED", "FAILED", "P50", "P90", "P95", "P99", "P99.9", "MAX"]
    latencies = ["1.25 ms", "2.00 ms", "12.5 ms", "20.0 ms", "123 ms", "1,500 ms"]
    assert cells[1] == ["REST at 100/s", "97.0/s", "3", *latencies]
    assert cells[2] == ["gRPC with 8 clients", "97.0/s", "0", *latencies]


def test_failures_and_wrong_answers_are_said(capsys):
    out = shown(capsys, BENCH).out
    assert "REST at 100/s: 3 failed, HTTP 503: <b>busy</b>" in out
    assert "REST at 100/s: 1 of 2 compared answers are wrong: y: off" in out
    assert "gRPC with 8 clients:" not in out


def test_a_rate_that_could_not_be_offered_is_said(capsys):
    stage = dataclasses.replace(STAGE, rate=10_000.0, offered_per_second=4310.2, limit="all connections were busy")
    out = shown(capsys, dataclasses.replace(BENCH, stages=(stage,))).out
    assert "REST at 10,000/s: offered 4,310 of 10,000 requests/s: all connections were busy" in out


@pytest.mark.parametrize(("late", "said"), [(0.2, False), (1.5, False), (50.0, True), (None, False)])
def test_a_late_generator_is_said(capsys, late, said):
    stage = dataclasses.replace(STAGE, sent_late_p99_ms=late)
    assert ("late itself" in shown(capsys, dataclasses.replace(BENCH, stages=(stage,))).out) is said


def test_a_stage_without_an_answer_has_no_latency(capsys):
    stage = dataclasses.replace(CLOSED, latency=None)
    assert shown(capsys, dataclasses.replace(BENCH, stages=(stage,))).out.splitlines()[2].count("  -") == 6


def test_an_interrupt_is_said(capsys):
    assert "interrupted" in shown(capsys, dataclasses.replace(BENCH, interrupted=True)).err
    assert shown(capsys, dataclasses.replace(BENCH, stages=(), changes=(), report=None, interrupted=True)).out == ""


def test_text_of_a_server_does_not_control_the_terminal(capsys):
    failure = dataclasses.replace(STAGE.failures[0], example="\x1b[2J\n")
    stage = dataclasses.replace(STAGE, failures=(failure,))
    assert "\x1b" not in shown(capsys, dataclasses.replace(BENCH, stages=(stage,))).out


def test_a_narrow_terminal_shows_fewer_columns_whole(capsys, monkeypatch):
    monkeypatch.setattr("sys.stdout.isatty", lambda: True)
    monkeypatch.setattr(shutil, "get_terminal_size", lambda: os.terminal_size((80, 24)))
    out = shown(capsys, BENCH).out
    assert "P90" not in out
    assert "…" not in out.splitlines()[2]
    assert f"{LATENCY.max_ms:,.0f} ms" in out
