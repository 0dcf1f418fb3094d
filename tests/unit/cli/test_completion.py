"""Names are completed as shells ask for it: with the variables that the scripts of `--show-completion` set."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from support.cli import Ended, environment, in_process
from support.world import MODELS

from deployer.cli.app import ALIASES, names
from deployer.engines import run_dir
from deployer.engines.run_dir import Release
from deployer.results.served import ServedModel

CONFIG = """
engine = "embedded"
project = "shop"
[models.half_plus_two]
labels = { stable = 1, canary = 2 }
[models.planned]
[env.staging]
state_dir = "other"
"""
LABELS = Release("m", "local", "1", "serving", "", "127.0.0.1", 1, 2, 3, 4, "d", (ServedModel("m", (1,)),), 0, "shop")


@pytest.fixture
def project(tmp_path: Path) -> Path:
    (tmp_path / "deployer.toml").write_text(CONFIG)
    for version in ("1", "2", "10"):
        shutil.copytree(MODELS / "half_plus_two" / "1", tmp_path / "models" / "half_plus_two" / version)
    for state, env, name in (
        (".deployer", "local", "digits"),
        (".deployer", "local", "letters"),
        ("other", "staging", "z"),
    ):
        run_dir.write_labels(tmp_path / state / "run" / run_dir.env_dir_name("shop", env) / name / "1", LABELS)
    run_dir.write_labels(tmp_path / ".deployer" / "run" / run_dir.env_dir_name("foreign", "local") / "x" / "1", LABELS)
    return tmp_path


def complete(project: Path, monkeypatch: pytest.MonkeyPatch, line: str, shell: str = "bash") -> Ended:
    """What a shell is answered for the command line up to the cursor."""
    words = f"deployer {line}"
    monkeypatch.setenv("_DEPLOYER_COMPLETE", f"complete_{shell}")
    monkeypatch.setenv("_TYPER_COMPLETE_ARGS", words)
    monkeypatch.setenv("_TYPER_COMPLETE_FISH_ACTION", "get-args")
    monkeypatch.setenv("COMP_WORDS", words)
    monkeypatch.setenv("COMP_CWORD", str(len(words.split(" ")) - 1))
    return in_process(cwd=project)


@pytest.mark.parametrize(
    ("line", "found"),
    [
        ("status ", ["digits", "letters"]),
        ("down d", ["digits"]),
        ("logs --env staging ", ["z"]),
        ("label ", ["digits", "letters"]),
        ("scale l", ["letters"]),
        ("status --state-dir missing ", []),
        ("up ", ["half_plus_two", "planned"]),
        ("up half_plus_two:", ["half_plus_two:1", "half_plus_two:2", "half_plus_two:10"]),
        ("up half_plus_two:1", ["half_plus_two:1", "half_plus_two:10"]),
        ("up unknown:", []),
        ("image build h", ["half_plus_two"]),
        ("inspect h", ["half_plus_two"]),
        ("versions ", ["half_plus_two", "planned"]),
        ("diff half_plus_two ", ["1", "2", "10"]),
        ("diff half_plus_two 1 1", ["1", "10"]),
        ("render do", ["docker-run", "dockerfile"]),
        ("render h", ["half_plus_two"]),
        ("redeploy digits --version ", ["1", "2", "10"]),
        ("predict digits --label ", ["canary", "stable"]),
        ("redeploy --model p", ["planned"]),
        ("status --env ", ["local", "staging"]),
        ("up --engine e", ["embedded"]),
        ("token ", []),
        ("roll", ["rollback"]),
        ("image ", ["build", "push"]),
        ("help im", ["image"]),
        ("help image p", ["push"]),
        ("status --js", ["--json"]),
    ],
)
def test_names_are_completed(project, monkeypatch, line, found):
    ended = complete(project, monkeypatch, line)
    assert (ended.code, ended.err) == (0, "")
    assert ended.out.split() == found


def test_all_commands_are_completed(project, monkeypatch):
    words = {name.split()[0] for name in names() if name not in ALIASES}
    assert set(complete(project, monkeypatch, "").out.split()) == words | {"help"}


@pytest.mark.parametrize("shell", ["zsh", "fish"])
def test_other_shells_are_answered_in_their_own_format(project, monkeypatch, shell):
    assert re.findall(r"[a-z_]+", complete(project, monkeypatch, "status ", shell).out)[-2:] == ["digits", "letters"]
    commands = complete(project, monkeypatch, "roll", shell).out
    assert "rollback" in commands
    assert "Serve an earlier release again" in commands


@pytest.mark.parametrize("text", ["[", "unknown = 1", "[models.half_plus_two]\nversions = 5"])
def test_what_cannot_be_read_completes_nothing_and_says_nothing(project, monkeypatch, text):
    (project / "deployer.toml").write_text(text)
    (project / ".deployer" / "ledger.db").write_text("no database")
    for line in ("status ", "up ", "redeploy --version "):
        ended = complete(project, monkeypatch, line)
        assert (ended.code, ended.out.strip(), ended.err) == (0, "", "")


def test_completion_creates_nothing(tmp_path, monkeypatch):
    for line in ("status ", "up ", "status --env ", "redeploy --version "):
        complete(tmp_path, monkeypatch, line)
    assert list(tmp_path.iterdir()) == []


BASH = """
source <(_DEPLOYER_COMPLETE=source_bash deployer)
COMP_WORDS=({words})
COMP_CWORD={current}
_deployer_completion deployer
printf '%s\\n' "${{COMPREPLY[@]}}"
"""


@pytest.mark.parametrize(
    ("words", "current", "found"),
    [
        ("deployer up half_plus_two : 1", 4, ["1", "10"]),
        ("deployer up half_plus_two :", 3, ["1", "2", "10"]),
        ("deployer up half_plus_two : ''", 4, ["1", "2", "10"]),
        ("deployer up --env local half_plus_two : 2", 6, ["2"]),
        ("deployer up unknown : ''", 4, []),
        ("deployer up h", 2, ["half_plus_two"]),
        ("deployer status d", 2, ["digits"]),
    ],
)
def test_bash_takes_a_version_for_a_word_of_its_own(project, words, current, found):
    """In bash itself, with the words as it splits them at a colon."""
    ended = subprocess.run(
        ["bash", "--norc", "-c", BASH.format(words=words, current=current)],
        cwd=project, env=environment(PATH=f"{Path(sys.executable).parent}:{os.environ['PATH']}"),
        capture_output=True, text=True, timeout=120, check=True,
    )  # fmt: skip
    assert (ended.stdout.split(), ended.stderr) == (found, "")
