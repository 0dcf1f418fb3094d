"""Commands see their own project: two of them share a state folder here, with servers that have ended."""

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
from deployer.results.deployment import ServedModel
from deployer.rollout.ledger import LEDGER_FILE, Ledger

MODELS = (ServedModel("m", (1,), (), ("d",)),)
LABELS = Release("m", "local", "1", "serving", "", "127.0.0.1", 1, 2, 3, 4, "d", MODELS, 0)


def put(folder: Path, project: str, name: str = "m", said: str | None = None, env: str = "local") -> Path:
    """The run folder of a server that has ended; its labels say `said`."""
    release = folder / ".deployer/run" / run_dir.env_dir_name(project, env) / name / f"1-{env}-{project}"
    labels = dataclasses.replace(LABELS, name=name, env=env, release=release.name, project=project)
    run_dir.write_labels(release, labels if said is None else dataclasses.replace(labels, project=said))
    return release


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    only_servers_below(monkeypatch, tmp_path)
    made = tmp_path / "shop"
    made.mkdir()
    for project in ("shop", "other"):
        put(made, project)
    return made


def deployed(folder: Path, *arguments: str) -> list[tuple[str, str]]:
    there = in_process("status", "--json", *arguments, cwd=folder).json["deployments"]
    return [(found["deployment"]["project"], found["deployment"]["name"]) for found in there]


def test_status_shows_the_project_alone_until_all_are_asked_for(folder):
    put(folder, "other", env="staging")
    assert deployed(folder) == deployed(folder, "--all") == [("shop", "m")]
    assert deployed(folder, "-p", "other") == [("other", "m")]
    assert deployed(folder, "--all", "--project", "other") == [("other", "m"), ("other", "m")]
    assert deployed(folder, "--all-projects") == [("other", "m"), ("other", "m"), ("shop", "m")]
    assert deployed(folder, "-p", "third") == []


def test_down_all_takes_the_project_and_leaves_the_others(folder):
    assert in_process("down", "--all", cwd=folder).out == "m [local] on embedded is down\n"
    assert in_process("down", "--all", cwd=folder).code == 10
    assert deployed(folder, "--all-projects") == [("other", "m")]


def test_the_others_are_removed_once_that_is_confirmed(folder):
    refused = in_process("down", "--all", "--all-projects", cwd=folder)
    assert refused.code == 2
    assert "m [local] of project other" in refused.err
    assert len(deployed(folder, "--all-projects")) == 2
    removed = in_process("down", "--all", "--all-projects", "--yes", "--json", cwd=folder).json["deployments"]
    assert [each["project"] for each in removed] == ["shop", "other"]
    assert deployed(folder, "--all-projects") == []


def test_without_others_there_is_nothing_to_confirm(folder):
    assert in_process("down", "--all", "-p", "other", cwd=folder).code == 0
    assert in_process("down", "--all", "--all-projects", cwd=folder).code == 0


@pytest.mark.parametrize("arguments", [("--all-projects",), ("m", "--all-projects"), ("m", "--all")])
def test_options_of_down_that_do_not_go_together_are_refused(folder, arguments):
    assert in_process("down", *arguments, cwd=folder).code == 2
    assert len(deployed(folder, "--all-projects")) == 2


def test_a_name_that_only_another_project_has_is_told_with_it(folder):
    put(folder, "other", "letters")
    ended = in_process("down", "letters", cwd=folder)
    assert ended.code == 10
    assert in_process("logs", "letters", "-p", "third", cwd=folder).code == 10
    assert "--project other" in in_process("logs", "letters", "-p", "third", cwd=folder).err


def test_a_label_that_was_edited_by_hand_is_told_and_left_alone(folder):
    edited = put(folder, "shop", said="else")
    for arguments in (("status",), ("down", "--all")):
        ended = in_process(*arguments, cwd=folder)
        assert "of project else" in ended.err
    assert in_process("down", "m", cwd=folder).code == 10
    assert (edited / run_dir.RELEASE_FILE).is_file()


def test_a_deployment_from_before_projects_is_adopted_once_and_told(folder):
    old = put(folder, "", "old")
    assert ("shop", "old") in deployed(folder)
    ended = in_process("down", "old", cwd=folder)
    assert (ended.code, "belongs to project shop now" in ended.err) == (0, True)
    assert not old.exists()


@pytest.mark.parametrize("variable", ["../x", "", "Shop", "x" * 64])
@pytest.mark.parametrize("verb", [("status",), ("down", "--all"), ("history",), ("prune",), ("logs", "m")])
def test_a_project_that_cannot_be_is_a_mistake_in_the_configuration(folder, monkeypatch, variable, verb):
    monkeypatch.setenv("DEPLOYER_PROJECT", variable)
    ended = in_process(*verb, cwd=folder)
    assert ended.code == 3
    assert "DEPLOYER_PROJECT" in ended.err
    monkeypatch.delenv("DEPLOYER_PROJECT")
    assert in_process(*verb, "-p", variable, cwd=folder).code == 3
    assert len(deployed(folder, "--all-projects")) == 2


def test_each_project_has_its_own_history_and_all_have_what_was_before(folder):
    path = folder / ".deployer" / LEDGER_FILE
    for project in ("shop", "other", ""):
        Ledger(path, project).begin(f"of-{project}", "local", "embedded", "create", MODELS)
    settings = Settings(state_dir=folder / ".deployer", project="shop")
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


def test_a_name_without_a_lock_and_without_a_deployment_is_not_deployed(folder):
    assert in_process("unlock", "m", cwd=folder).out == "m [local] is not locked\n"
    for arguments in (("nope",), ("nope", "--force"), ("m", "--env", "staging")):
        ended = in_process("unlock", *arguments, cwd=folder)
        assert (ended.code, ended.out) == (10, "")
        assert ended.err == in_process("status", *(word for word in arguments if word != "--force"), cwd=folder).err


def test_nothing_is_claimed_about_servers_that_have_ended_in_other_directories(folder, tmp_path):
    (elsewhere := tmp_path / "elsewhere").mkdir()
    ended = in_process("status", "--all-projects", cwd=elsewhere)
    none = "no server runs on embedded in any project"
    assert (ended.code, none in ended.err, "--engine auto" in ended.err) == (0, True, True)
    assert "nothing is deployed" not in ended.err
    assert none in in_process("down", "--all", "--all-projects", cwd=elsewhere).err
