"""A report is a line for each check, or for each model."""

from __future__ import annotations

import dataclasses

import pytest
from support.results import (
    ENDPOINTS,
    PROOF,
)

from deployer import console
from deployer.results.checks import Check, Report
from deployer.results.running import SmokeResult

CHECK = Check("status", "m:1", ok=True, detail="AVAILABLE", milliseconds=1.0)


PARITY = Check("parity REST", "m:1", ok=True, detail="", milliseconds=1.0, worst=0.5, answers=4)


def test_a_proof_is_a_line_for_each_check(capsys):
    console.reports.show_report(PROOF)
    first, second = capsys.readouterr().out.splitlines()
    assert first.split() == ["ok", "m:1", "status", "1.5", "ms", "AVAILABLE"]
    assert second.split() == ["FAIL", "m:1", "parity", "REST", "2.0", "ms", "off"]


@pytest.mark.parametrize(
    ("checks", "line"),
    [
        ((CHECK,), "available m:1: 1 check"),
        ((PARITY,), "verified m:1: 1 check, 4 answers over REST, max diff 0.5"),
        ((CHECK, PARITY, dataclasses.replace(PARITY, name="parity gRPC", worst=1.0, retried=2)),
         "verified m:1: 3 checks, 8 answers over REST and gRPC, max diff 1, 2 retried"),
    ],
)  # fmt: skip
def test_what_passed_is_one_line_for_each_model(capsys, checks, line):
    console.reports.show_report(Report(checks), verbose=False)
    assert capsys.readouterr().out == f"{line}\n"


def test_what_was_not_asked_is_listed_beside_the_line(capsys):
    partial = dataclasses.replace(PARITY, partial=True)
    console.reports.show_report(Report((CHECK, partial)), verbose=False)
    first, second = capsys.readouterr().out.splitlines()
    assert (first, second.split()[:4]) == ("verified m:1: 1 check", ["part", "m:1", "parity", "REST"])


def test_smoke_prints_a_check_that_failed(capsys):
    console.reports.show_smoke(SmokeResult("m", "local", ENDPOINTS, PROOF))
    assert [line.split()[:4] for line in capsys.readouterr().out.splitlines() if "FAIL" in line] == [
        ["FAIL", "m:1", "parity", "REST"]
    ]
