"""`inspect` says of a version whether it is served, and what serves it."""

from __future__ import annotations

import re
import shlex
import shutil
from pathlib import Path

import pytest
from support.cli import in_process
from support.world import MODELS

from deployer.operations.inspect import inspect


@pytest.fixture
def project(tmp_path: Path) -> Path:
    for version in ("1", "2"):
        shutil.copytree(MODELS / "half_plus_two" / "1", tmp_path / "models" / "half_plus_two" / version)
    shutil.copytree(MODELS / "half_plus_two" / "1", tmp_path / "some where" / "half")
    return tmp_path


@pytest.mark.parametrize(
    ("arguments", "served", "planned"),
    [
        (("half_plus_two",), False, 2),
        (("half_plus_two:1",), False, 1),
        (("half_plus_two:1", "--env", "staging"), False, 1),
        (("half_plus_two:1", "--models-dir", "models"), False, 1),
        (("half_plus_two:1", "-p", "shop", "--engine", "embedded"), False, 1),
        (("some where/half",), None, 1),
    ],
    ids=str,
)
def test_what_is_not_served_comes_with_the_command_that_serves_it(project, arguments, served, planned):
    found = in_process("inspect", *arguments, "--json", cwd=project).json
    assert found["served"] is served
    (command,) = re.findall(r"deployer up (.+) verifies and serves it", found["notes"][0])
    shown = in_process("plan", *shlex.split(command), "--skip-gate", "--json", cwd=project)
    assert shown.code == 0, shown.err
    assert shown.json["models"][0]["versions"] == [planned]
    text = in_process("inspect", *arguments, cwd=project).out
    assert text.splitlines()[0].startswith("half_plus_two:" if served is False else "some where/half")
    assert all(line.startswith("    ") for line in text.splitlines() if "curl" in line)


def test_an_engine_that_does_not_answer_leaves_it_open(project, monkeypatch):
    monkeypatch.setenv("DEPLOYER_ENGINE", "docker")
    monkeypatch.setenv("DOCKER_HOST", "unix:///nowhere.sock")
    monkeypatch.chdir(project)
    found = inspect("half_plus_two")
    assert (found.served, found.stored) == (None, True)
    assert "serves it" not in "".join(found.notes)


def test_quiet_is_taken_by_what_has_notes_alone_and_keeps_them(project):
    (project / "deployer.toml").write_text("[models.half_plus_two]\nversions = [1]\n")
    loud, quiet = (in_process("render", *options, cwd=project) for options in ((), ("-q",)))
    assert (quiet.code, quiet.out, quiet.err) == (0, loud.out, loud.err)
    assert "half_plus_two:2" in quiet.err
    assert in_process("predict", "half_plus_two", "-q", cwd=project).code == 10
