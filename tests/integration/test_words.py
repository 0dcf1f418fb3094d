"""What is said at moments when people look: the option that was meant, the next command, one line and not fifteen."""

from __future__ import annotations

import json
import shlex
import signal
import subprocess
from pathlib import Path

import pytest
from support.cli import ANY_PORTS, Ended, command, environment, in_process
from support.files import copy_model
from support.world import eventually

QUESTION = json.dumps({"instances": [2.0]})


def piped(text: str, *arguments: str, cwd: Path) -> Ended:
    ended = subprocess.run(
        command(*arguments), cwd=cwd, env=environment(), input=text, capture_output=True, text=True, timeout=180,
        check=False,
    )  # fmt: skip
    return Ended(ended.returncode, ended.stdout, ended.stderr)


def test_a_request_is_read_from_standard_input_and_asks_what_a_label_points_to(project: Path) -> None:
    (project / "deployer.toml").write_text(
        "[server]\nrest_port = 0\ngrpc_port = 0\n[models.half_plus_two]\nversions = [1, 2]\nlabels = { canary = 1 }\n"
    )
    up = in_process("up", "-q", cwd=project)
    assert up.code == 0, up.err
    assert [line.split()[0] for line in up.out.splitlines()] == ["REST", "gRPC"]
    predict = ("predict", "half_plus_two")
    newest = in_process(*predict, "--input", QUESTION, cwd=project).json
    canary = in_process(*predict, "--input", QUESTION, "--label", "canary", cwd=project).json
    assert canary == in_process(*predict, "--input", QUESTION, "--version", "1", cwd=project).json
    assert canary != newest
    for arguments in ((), ("--file", "-"), ("--input", "-")):
        assert piped(QUESTION, *predict, *arguments, cwd=project).json == newest
    assert piped("", *predict, cwd=project).code == 0
    assert in_process(*predict, "--label", "canary", cwd=project).code == 0

    asked_by_label = in_process(*predict, "--version", "canary", cwd=project)
    assert (asked_by_label.code, "--label canary" in asked_by_label.err) == (2, True)
    unknown = in_process(*predict, "--label", "stable", cwd=project)
    assert (unknown.code, "canary=1" in unknown.err) == (2, True)
    assert in_process(*predict, "--label", "canary", "--version", "1", cwd=project).code == 2
    missing = in_process(*predict, "--version", "5", cwd=project)
    assert (missing.code, "served: 1, 2" in missing.err) == (2, True)

    assert in_process("down", "half_plus_two", cwd=project).code == 0
    for verb in ("rollback", "logs", "predict", "redeploy"):
        ended = in_process(verb, "half_plus_two", cwd=project)
        assert (ended.code, "deployer up half_plus_two" in ended.err) == (10, True)


@pytest.mark.parametrize("target", ["half_plus_two:latest", "half_plus_two:v2", "half_plus_two:1.0", "other:latest"])
def test_a_tag_as_docker_has_them_is_no_code(project: Path, target: str) -> None:
    for verb in ("up", "plan", "inspect", "export"):
        ended = in_process(verb, target, cwd=project)
        assert ended.code == 4
        assert "NAME:VERSION takes a number" in ended.err, (verb, ended.err)


@pytest.mark.parametrize(
    ("verb", "command"),
    [
        ("redeploy", "redeploy m --version 3"),
        ("rollback", "redeploy m --version 3"),
        ("predict", "predict m --version 3"),
        ("logs", "logs m"),
        ("down", "down m"),
        ("smoke", "smoke m"),
    ],
)
def test_a_deployment_with_a_version_is_refused_with_the_command(empty_project: Path, verb: str, command: str) -> None:
    ended = in_process(verb, "m:3", "--json", cwd=empty_project)
    assert ended.code != 0
    assert f"deployer {command}" in ended.json["error"]["hint"]


def test_a_module_that_is_called_like_a_model_stays_code(project: Path) -> None:
    (project / "half_plus_two.py").write_text("latest = 3")
    ended = in_process("export", "half_plus_two.py:latest", cwd=project)
    assert "latest is of type int" in ended.err
    assert "is of type int" in in_process("up", "half_plus_two:latest", cwd=project).err


def test_after_init_the_missing_key_is_named(empty_project: Path) -> None:
    assert in_process("init", "--name", "digits", cwd=empty_project).code == 0
    for verb in ("up", "plan"):
        ended = in_process(verb, cwd=empty_project)
        assert (ended.code, "models.digits.source" in ended.err) == (4, True), ended.err


def test_an_empty_store_is_said_to_be_empty(empty_project: Path) -> None:
    for verb in ("versions", "prune"):
        ended = in_process(verb, cwd=empty_project)
        assert (ended.code, ended.out) == (0, "")
        assert len(ended.err.splitlines()) == 1


def test_hints_with_paths_can_be_pasted_into_a_shell(tmp_path: Path) -> None:
    copy_model(tmp_path / "my models" / "a b" / "first try")
    hint = in_process("up", "a b", "--models-dir", "my models", "--json", cwd=tmp_path).json["error"]["hint"]
    assert shlex.split(hint) == ["mv", "my models/a b/first try", "my models/a b/1"]
    (tmp_path / "my code.py").touch()
    hint = in_process("export", "my code.py", "--name", "m", "--json", cwd=tmp_path).json["error"]["hint"]
    assert shlex.split(hint) == ["my code.py:NAME"]
    part = "my models/a b/first try/saved_model.pb"
    hint = in_process("export", part, "--json", cwd=tmp_path).json["error"]["hint"]
    assert shlex.split(hint)[-1] == str(Path(part).parent)


SLOW = """
import pathlib, time
pathlib.Path("importing").touch()
time.sleep(60)
"""


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_an_interrupted_export_says_in_one_line_what_was_undone(empty_project: Path, number: int) -> None:
    (empty_project / "slow.py").write_text(SLOW)
    child = subprocess.Popen(
        command("export", "slow.py:model", "--name", "m", "-q"),
        cwd=empty_project, env=environment(), stderr=subprocess.PIPE, text=True,
    )  # fmt: skip
    eventually((empty_project / "importing").exists, "the export is at work")
    child.send_signal(number)
    _, said = child.communicate(timeout=60)
    assert child.returncode == 130
    assert said.splitlines() == ["interrupted; no version of m was made"]


def test_an_interrupted_up_says_that_what_it_exported_stays(empty_project: Path) -> None:
    copy_model(empty_project / "trained")
    child = subprocess.Popen(
        command("up", "trained", "--name", "m", *ANY_PORTS),
        cwd=empty_project, env=environment(), stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True,
    )  # fmt: skip
    assert child.stderr is not None
    assert any("starting a candidate" in line for line in child.stderr)
    child.send_signal(signal.SIGINT)
    _, said = child.communicate(timeout=60)
    assert child.returncode == 130
    assert "m:1 was made and stays" in said.splitlines()[-1].split("; ")
    assert [each["version"] for each in in_process("versions", "m", "--json", cwd=empty_project).json["models"]] == [1]


def test_a_log_tail_has_no_lines_that_tell_nothing(empty_project: Path) -> None:
    copy_model(empty_project / "models" / "m" / "1")
    ended = in_process("up", "m", "--skip-gate", "--timeout", "0.01", *ANY_PORTS, "--json", cwd=empty_project)
    assert ended.code == 7
    assert not any("oneDNN" in line or "cuda" in line for line in ended.json["error"]["log"])
