"""Commands see their own project: two of them share a state directory here, with servers that have ended."""

from __future__ import annotations

import dataclasses
import sqlite3
from pathlib import Path

import pytest
from support.cli import in_process
from support.world import only_servers_below

from deployer.config.options import Settings
from deployer.engines import run_dir
from deployer.engines.run_dir import Release
from deployer.operations.history import history
from deployer.results.served import ServedModel
from deployer.rollout.ledger import LEDGER_FILE, Ledger

MODELS = (ServedModel("m", (1,), (), ("d",)),)
LABELS = Release("m", "local", "1", "serving", "", "127.0.0.1", 1, 2, 3, 4, "d", MODELS, 0)


def put(directory: Path, project: str, name: str = "m", said: str | None = None, env: str = "local") -> Path:
    """The run directory of a server that has ended; its labels say `said`."""
    release = directory / ".deployer/run" / run_dir.env_dir_name(project, env) / name / f"1-{env}-{project}"
    labels = dataclasses.replace(LABELS, name=name, env=env, release=release.name, project=project)
    run_dir.write_labels(release, labels if said is None else dataclasses.replace(labels, project=said))
    return release


@pytest.fixture
def directory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    only_servers_below(monkeypatch, tmp_path)
    made = tmp_path / "shop"
    made.mkdir()
    for project in ("shop", "other"):
        put(made, project)
    return made


def deployed(directory: Path, *arguments: str) -> list[tuple[str, str]]:
    there = in_process("status", "--json", *arguments, cwd=directory).json["deployments"]
    return [(found["deployment"]["project"], found["deployment"]["name"]) for found in there]


def test_status_shows_the_project_alone_until_all_are_asked_for(directory):
    put(directory, "other", env="staging")
    assert deployed(directory) == deployed(directory, "--all") == [("shop", "m")]
    assert deployed(directory, "-p", "other") == [("other", "m")]
    assert deployed(directory, "--all", "--project", "other") == [("other", "m"), ("other", "m")]
    assert deployed(directory, "--all-projects") == [("other", "m"), ("other", "m"), ("shop", "m")]
    assert deployed(directory, "-p", "third") == []


def test_down_all_takes_the_project_and_leaves_the_others(directory):
    assert in_process("down", "--all", cwd=directory).out == "m [local] on embedded is down\n"
    assert in_process("down", "--all", cwd=directory).code == 10
    assert deployed(directory, "--all-projects") == [("other", "m")]


def test_the_others_are_removed_once_that_is_confirmed(directory):
    refused = in_process("down", "--all", "--all-projects", cwd=directory)
    assert refused.code == 2
    assert "m [local] of project other" in refused.err
    assert len(deployed(directory, "--all-projects")) == 2
    removed = in_process("down", "--all", "--all-projects", "--yes", "--json", cwd=directory).json["deployments"]
    assert [each["project"] for each in removed] == ["shop", "other"]
    assert deployed(directory, "--all-projects") == []


def test_without_others_there_is_nothing_to_confirm(directory):
    assert in_process("down", "--all", "-p", "other", cwd=directory).code == 0
    assert in_process("down", "--all", "--all-projects", cwd=directory).code == 0


@pytest.mark.parametrize("arguments", [("--all-projects",), ("m", "--all-projects"), ("m", "--all")])
def test_options_of_down_that_do_not_go_together_are_refused(directory, arguments):
    assert in_process("down", *arguments, cwd=directory).code == 2
    assert len(deployed(directory, "--all-projects")) == 2


def test_a_name_that_only_another_project_has_is_reported_with_it(directory):
    put(directory, "other", "letters")
    ended = in_process("down", "letters", cwd=directory)
    assert ended.code == 10
    assert in_process("logs", "letters", "-p", "third", cwd=directory).code == 10
    assert "--project other" in in_process("logs", "letters", "-p", "third", cwd=directory).err


def test_a_label_that_was_edited_by_hand_is_reported_and_left_alone(directory):
    edited = put(directory, "shop", said="else")
    for arguments in (("status",), ("down", "--all")):
        ended = in_process(*arguments, cwd=directory)
        assert "of project else" in ended.err
    assert in_process("down", "m", cwd=directory).code == 10
    assert (edited / run_dir.RELEASE_FILE).is_file()


def test_a_deployment_from_before_projects_is_adopted_once_and_told(directory):
    old = put(directory, "", "old")
    assert ("shop", "old") in deployed(directory)
    ended = in_process("down", "old", cwd=directory)
    assert (ended.code, "belongs to project shop now" in ended.err) == (0, True)
    assert not old.exists()


@pytest.mark.parametrize("variable", ["../x", "", "Shop", "x" * 64])
@pytest.mark.parametrize("verb", [("status",), ("down", "--all"), ("history",), ("prune",), ("logs", "m")])
def test_a_project_that_cannot_be_is_a_mistake_in_the_configuration(directory, monkeypatch, variable, verb):
    monkeypatch.setenv("DEPLOYER_PROJECT", variable)
    ended = in_process(*verb, cwd=directory)
    assert ended.code == 3
    assert "DEPLOYER_PROJECT" in ended.err
    monkeypatch.delenv("DEPLOYER_PROJECT")
    assert in_process(*verb, "-p", variable, cwd=directory).code == 3
    assert len(deployed(directory, "--all-projects")) == 2


def test_each_project_has_its_own_history_and_all_have_what_was_before(directory):
    path = directory / ".deployer" / LEDGER_FILE
    for project in ("shop", "other", ""):
        Ledger(path, project).begin(f"of-{project}", "local", "embedded", "create", MODELS)
    settings = Settings(state_dir=directory / ".deployer", project="shop")
    assert [found.name for found in history(settings=settings).releases] == ["of-", "of-shop"]
    assert len(Ledger(path).releases()) == 3
    assert Ledger(path, "other").mark_interrupted("of-shop", "local", "embedded") == ()


def test_a_history_from_before_projects_is_read_and_written_on(tmp_path):
    path = tmp_path / LEDGER_FILE
    Ledger(path).begin("old", "local", "embedded", "create", MODELS)
    with sqlite3.connect(path) as db:
        db.execute("alter table releases drop column project")
    db.close()
    ledger = Ledger(path, "shop")
    assert [found.name for found in ledger.releases()] == ["old"]
    ledger.begin("new", "local", "embedded", "create", MODELS)
    assert [found.name for found in Ledger(path, "other").releases()] == ["old"]


def test_a_name_without_a_lock_and_without_a_deployment_is_not_deployed(directory):
    assert in_process("unlock", "m", cwd=directory).out == "m [local] is not locked\n"
    for arguments in (("nope",), ("nope", "--force"), ("m", "--env", "staging")):
        ended = in_process("unlock", *arguments, cwd=directory)
        assert (ended.code, ended.out) == (10, "")
        assert ended.err == in_process("status", *(word for word in arguments if word != "--force"), cwd=directory).err


def test_nothing_is_claimed_about_servers_that_have_ended_in_other_directories(directory, tmp_path):
    (elsewhere := tmp_path / "elsewhere").mkdir()
    ended = in_process("status", "--all-projects", cwd=elsewhere)
    none = "no server runs on embedded in any project"
    assert (ended.code, none in ended.err, "--engine auto" in ended.err) == (0, True, True)
    assert "nothing is deployed" not in ended.err
    assert none in in_process("down", "--all", "--all-projects", cwd=elsewhere).err
