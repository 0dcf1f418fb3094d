"""Versions of the store are tables and lines."""

from __future__ import annotations

import dataclasses
from pathlib import Path

from support.results import (
    APART,
    CHANGE,
    FIGURES,
    INSPECT,
    MODEL,
    VERSIONS,
)

from deployer import console
from deployer.results.differences import DiffResult
from deployer.results.versions import PruneResult, VersionsResult


def test_rows_of_versions_are_columns(capsys):
    sizes = (1, 10**6, 10**12)
    named = [
        dataclasses.replace(MODEL, name="m" * 3**number, info=dataclasses.replace(MODEL.info, size_bytes=size))
        for number, size in enumerate(sizes)
    ]
    console.versions.show_versions(VersionsResult(tuple(named)))
    rows = capsys.readouterr().out.splitlines()
    assert {row.index(" MiB") for row in rows} == {rows[-1].index(" MiB")}
    assert (
        len({row.index(MODEL.created) for row in rows}) == len({row.index(MODEL.source.location) for row in rows}) == 1
    )
    console.versions.show_prune(PruneResult((), tuple(named), True, (), Path("models")))
    *rows, _ = capsys.readouterr().out.splitlines()
    assert len({row.index("removed") for row in rows}) == 1
    console.versions.show_prune(PruneResult((MODEL,), (), True, ("deployed as m [local]",), Path("apart")))
    kept, last = capsys.readouterr().out.splitlines()
    assert kept.split()[1:] == ["stays:", "deployed", "as", "m", "[local]"]
    assert last.startswith("apart: 1 version stays; ")


def test_a_model_is_shown_with_what_is_not_proven(capsys):
    console.versions.show_inspect(dataclasses.replace(INSPECT, served=True))
    shown = capsys.readouterr().out
    for line in ("  s  (predict)", "    in  x: float32[?,3]", "    out y: string of any shape",
                 "  golden set: 3 cases, made", "    random by nature, values not compared: s/y",
                 "    not verified: t: no examples", "  curl -d '{}'"):  # fmt: skip
        assert line in shown.splitlines()
    console.versions.show_inspect(dataclasses.replace(INSPECT, stored=False))
    head, *_, line = capsys.readouterr().out.splitlines()
    assert (head, line) == (str(MODEL.path), "    curl -d '{}'")
    console.versions.show_versions(VERSIONS)
    assert capsys.readouterr().out.splitlines()[0].split() == [
        f"m:{2**63 - 1}", "3.00", "MiB", "2026-01-01T00:00:00Z", "keras", "m.keras",
    ]  # fmt: skip


def test_diff_prints_a_change_that_breaks(capsys):
    console.versions.show_diff(DiffResult("m", FIGURES, FIGURES, True, (CHANGE,), (APART,), ("s: refused",)))
    shown = capsys.readouterr().out.splitlines()
    assert [line.split()[0] for line in shown if CHANGE.detail in line] == ["breaking"]
    assert "  no answer: s: refused" in shown
