"""No history of what was meant, and one of something else: what shows that is said, and works as typed."""

from __future__ import annotations

import re
import shlex
import time
from functools import partial
from pathlib import Path

import pytest
from support.cli import in_process
from support.memory.linear import Linear, publish
from support.world import only_servers_below

from deployer.engines import run_dir
from deployer.engines.embedded.engine import EmbeddedEngine
from deployer.engines.run_dir import Release
from deployer.results.history import Outcome
from deployer.results.served import ServedModel
from deployer.rollout import other_histories
from deployer.rollout.ledger import LEDGER_FILE, Ledger
from deployer.store.store import Store


@pytest.fixture
def directory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    only_servers_below(monkeypatch, tmp_path)
    made = tmp_path / "shop"
    made.mkdir()
    return made


def record(directory: Path, name: str, env: str, project: str, state: str = ".deployer") -> None:
    Ledger(directory / state / LEDGER_FILE, project).begin(name, env, "embedded", "create", (ServedModel("m", (1,)),))


def commands(text: str) -> list[list[str]]:
    """Those that are named, without the program."""
    return [shlex.split(found) for found in re.findall(r"deployer (history.*?)(?=, or deployer| shows)", text)]


@pytest.mark.parametrize("json", [(), ("--json",)], ids=["text", "json"])
@pytest.mark.parametrize(
    ("asked", "env", "project"),
    [
        ((), "staging", "shop"), (("m",), "staging", "shop"), ((), "local", "other"), (("m",), "staging", "other"),
        (("--env", "staging"), "local", "shop"), (("--project", "other"), "local", "shop"),
        (("m", "--project", "other"), "staging", "shop"), (("--all",), "staging", "other"),
        (("mm",), "local", "shop"), (("mm", "--env", "staging"), "local", "shop"),
        (("--env", "staging"), "staging", "other"), (("mm", "--env", "staging"), "staging", "shop"),
    ],
    ids=str,
)  # fmt: skip
def test_what_shows_the_releases_that_there_are_is_said(directory, asked, env, project, json):
    record(directory, "m", env, project)
    ended = in_process("history", *asked, *json, cwd=directory)
    (said,) = ended.json["notices"] if json else ended.err.splitlines()
    assert (ended.code, "nothing was deployed yet" in said) == (0, True)
    command = commands(said)[0]
    again = in_process(*command, "--json", cwd=directory)
    assert [(found["name"], found["env"]) for found in again.json["releases"]] == [("m", env)]


@pytest.mark.parametrize(
    ("place", "project", "named"), [("copy", "shop", True), ("copy", "other", False), (".", "other", True)]
)
def test_histories_of_projects_that_have_no_state_here_or_above_are_not_named(
    directory, monkeypatch, place, project, named
):
    copy = directory.parent / place
    record(copy, "m", "local", project)
    labels = Release(
        "m", "local", "1", "serving", "", "127.0.0.1", 1, 2, 3, 4, "d", (ServedModel("m", (1,)),), 0, project
    )
    run_dir.write_labels(copy / ".deployer" / "run" / run_dir.env_dir_name(project, "local") / "m" / "1", labels)
    elsewhere = EmbeddedEngine(copy / ".deployer", project=project)
    monkeypatch.setattr(other_histories, "other_projects", lambda _: (elsewhere,))
    ended = in_process("history", "m", cwd=directory)
    assert (ended.code, "nothing was deployed yet" in ended.err, bool(commands(ended.err))) == (0, True, named)
    assert ("project other" in ended.err) is (named and project == "other")


def test_an_environment_with_a_state_directory_of_its_own_is_said(directory):
    (directory / "deployer.toml").write_text('[env.staging]\nstate_dir = "apart"\n')
    record(directory, "m", "staging", "shop", "apart")
    command, *_ = commands(in_process("history", "m", cwd=directory).err)
    assert len(in_process(*command, "--json", cwd=directory).json["releases"]) == 1


def test_this_project_comes_first_and_not_all_of_many_are_said(directory):
    for number in range(5):
        record(directory, "m", f"e{number}", "other")
    record(directory, "m", "staging", "shop")
    said = commands(in_process("history", cwd=directory).err)
    assert (len(said), said[0]) == (3, ["history", "--env", "staging"])


def test_where_nothing_was_deployed_at_all_no_command_is_said(directory):
    ended = in_process("history", cwd=directory)
    assert (ended.code, "nothing was deployed yet" in ended.err, commands(ended.err)) == (0, True, [])
    assert not (directory / ".deployer").exists()


def test_a_name_that_nothing_comes_near_gets_no_command(directory):
    record(directory, "resnet", "local", "shop")
    assert commands(in_process("history", "zz-top", cwd=directory).err) == []
    assert commands(in_process("history", "resnt", cwd=directory).err) == [["history", "resnet"]]


@pytest.mark.parametrize("chosen", [(), ("--env", "staging")], ids=str)
def test_all_environments_include_those_with_a_state_directory_of_their_own(directory, monkeypatch, chosen):
    (directory / "deployer.toml").write_text('[env.staging]\nstate_dir = "apart"\n[env.production]\nproject = "live"\n')
    recorded = [("staging", "apart"), ("local", ".deployer"), ("production", ".deployer"), ("staging", "apart")]
    for second, (env, state) in enumerate(recorded):
        with monkeypatch.context() as patch:
            patch.setattr(time, "gmtime", partial(time.gmtime, second))
            record(directory, "m", env, "live" if env == "production" else "shop", state)

    def shown(*arguments: str) -> list[str]:
        ended = in_process("history", *arguments, "--json", cwd=directory)
        assert ended.code == 0, ended.err
        assert {release["outcome"] for release in ended.json["releases"]} == {"interrupted"}
        return [release["env"] for release in ended.json["releases"]]

    assert shown("--all", *chosen) == shown("m", "--all", *chosen) == [env for env, _ in reversed(recorded)]
    assert shown("--all", "--state-dir", "apart", *chosen) == ["staging", "staging"]
    assert shown("--env", "staging") == ["staging", "staging"]


def test_prune_keeps_what_rollback_needs_in_an_environment_with_a_state_directory_of_its_own(directory):
    (directory / "deployer.toml").write_text('[env.staging]\nstate_dir = "apart"\n')
    for version in (1, 2, 3):
        publish(Store(directory / "models"), "m", Linear(0.5, 2.0), version)
    ledger = Ledger(directory / "apart" / LEDGER_FILE, "shop")
    number = ledger.begin("m", "staging", "embedded", "create", (ServedModel("m", (1,)),))
    ledger.end(number, Outcome.SUCCEEDED, 1.0)
    pruned = in_process("prune", "--keep", "1", "--json", cwd=directory)
    assert [model["version"] for model in pruned.json["kept"]] == [1, 3]
