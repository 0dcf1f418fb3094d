"""`plan` and `up` agree on the versions and labels that `deployer.toml` lists beside a source."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from support.cli import ANY_PORTS, in_process
from support.files import copy_model

PORTS = 'name = "m"\n[server]\nrest_port = 0\ngrpc_port = 0\n'


def wanting(directory: Path, lines: str, others: str = "") -> Path:
    copy_model(directory / "trained")
    (directory / "deployer.toml").write_text(f'{PORTS}[models.m]\nsource = "trained"\n{lines}\n{others}')
    return directory


def versions(result: Any) -> list[list[int]]:
    return [model["versions"] for model in result["models"]]


@pytest.mark.parametrize(
    ("lines", "others", "code"),
    [
        ("versions = [3]", "", 4),
        ("versions = [1, 3]", "", 4),
        ("labels = { stable = 4 }", "", 3),
        ("versions = [1]\nlabels = { stable = 4 }", "", 3),
        ("", "[models.other]\nversions = [2]", 4),
    ],
)
def test_a_version_that_no_export_makes_is_refused_before_anything_is_exported(empty_project, lines, others, code):
    wanting(empty_project, lines, others)
    errors = [in_process(verb, "--json", cwd=empty_project) for verb in ("plan", "up")]
    assert [ended.code for ended in errors] == [code, code], errors
    assert errors[0].json["error"] == errors[1].json["error"]
    assert in_process("versions", "--json", cwd=empty_project).json["models"] == []


@pytest.mark.parametrize("lines", ["versions = [1]", "labels = { stable = 1 }", "versions = [1]\nlabels.stable = 1"])
def test_the_version_that_the_export_makes_can_be_listed(empty_project, lines):
    wanting(empty_project, lines)
    plan = in_process("plan", "--json", cwd=empty_project).json
    up = in_process("up", "--json", cwd=empty_project)
    assert up.code == 0, up.err
    assert versions(plan) == versions(up.json) == [[1]]
    assert in_process("plan", "--exit-code", cwd=empty_project).code == 0


def test_a_plan_says_that_a_listed_version_stays_where_the_source_has_changed(empty_project):
    wanting(empty_project, "versions = [1]")
    assert in_process("up", "-q", *ANY_PORTS, cwd=empty_project).code == 0
    copy_model(empty_project / "new", version=2)
    toml = empty_project / "deployer.toml"
    toml.write_text(toml.read_text().replace("trained", "new"))
    plan = in_process("plan", "--json", cwd=empty_project).json
    up = in_process("up", "--json", cwd=empty_project).json
    assert versions(plan) == versions(up) == [[1]]


@pytest.mark.parametrize("option", ["--force", "--version=7"])
def test_the_cause_of_an_export_that_was_asked_for_is_its_option(empty_project, option):
    wanting(empty_project, "")
    (empty_project / "code.py").write_text("raise SystemExit('a plan runs no code')\n")
    for is_stored in (False, True):
        for source in ("trained", "code.py:model"):
            ended = in_process("up", source, "--name", "m", option, "--dry-run", "--json", cwd=empty_project)
            assert ended.code == 0, ended.err
            cause = ended.json["plan"]["steps"][0]["cause"]
            assert (option.partition("=")[0] in cause) is is_stored, cause
        assert in_process("export", "trained", "--name", "m", "-q", cwd=empty_project).code == 0


@pytest.mark.parametrize(("stored", "source"), [((), True), ((1, 2), False), ((1, 2), True)])
def test_a_label_is_to_be_listed_only_where_its_version_exists(empty_project, stored, source):
    for version in stored:
        copy_model(empty_project / "models" / "m" / str(version), version=version)
    wanting(empty_project, f"labels = {{ stable = {stored[0] if stored else 4} }}")
    if not source:
        toml = empty_project / "deployer.toml"
        toml.write_text(toml.read_text().replace('source = "trained"', "versions = [2]"))
    for verb in ("plan", "up"):
        ended = in_process(verb, "--json", cwd=empty_project)
        assert ended.code == 3, ended.err
        hint = ended.json["error"]["hint"]
        assert ("list 1 under" in hint, "no version 4" in hint) == (bool(stored), not stored)
