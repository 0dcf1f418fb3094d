"""Two directories of one project on a Docker Engine: what serves is not taken for a deployment of one's own."""

from __future__ import annotations

import re
import shlex
import shutil
from pathlib import Path

import pytest
from support.cli import ANY_PORTS
from support.deploying import deployer, refused, up
from support.world import MODELS


def export(directory: Path, source: str) -> Path:
    """Make a directory whose store has another half_plus_two:1."""
    shutil.copytree(MODELS / source, directory / "saved")
    exported = deployer("export", "saved", "--name", "half_plus_two", "-q", cwd=directory)
    assert exported.code == 0, exported.err
    return directory


@pytest.fixture
def state_dir(project) -> str:
    """The state directory of the project that has deployed half_plus_two:1."""
    up(project, "half_plus_two:1", *ANY_PORTS)
    return str(project / ".deployer")


def test_commands_that_look_at_it_name_the_directory(project, state_dir, tmp_path):
    elsewhere = export(tmp_path / "elsewhere", "half_plus_two/2")
    (shown,) = deployer("status", "--json", cwd=elsewhere).json["deployments"]
    assert (state_dir in shown["warning"], "another directory" in shown["warning"]) == (True, True)
    assert state_dir in deployer("status", cwd=elsewhere).err
    (own,) = deployer("status", "--json", cwd=project).json["deployments"]
    assert "directory" not in own["warning"]
    found = deployer("inspect", "half_plus_two:1", "--json", cwd=elsewhere).json
    assert (found["served"], any(state_dir in note for note in found["notes"])) == (False, True)
    assert deployer("inspect", "half_plus_two:1", "--json", cwd=project).json["served"] is True
    asked, verified = (deployer(verb, "half_plus_two", cwd=elsewhere) for verb in ("predict", "smoke"))
    for ended in (asked, verified):
        assert ended.code != 0
        assert "is not the half_plus_two:1 that is served" in ended.err
        assert f"--models-dir {project / 'models'}" in ended.err
    assert deployer("predict", "half_plus_two", cwd=project).code == 0


def test_the_refusal_to_break_its_clients_names_the_directory_and_the_way_to_another_deployment(state_dir, tmp_path):
    elsewhere = export(tmp_path / "elsewhere", "text/1")
    for verb in ("up", "plan"):
        refused(deployer(verb, "half_plus_two:1", cwd=elsewhere), 8, state_dir, "set project", "--allow-breaking")


def test_the_note_about_the_store_names_the_directory_and_the_way_to_another_deployment(state_dir, tmp_path):
    elsewhere = export(tmp_path / "elsewhere", "half_plus_two/2")
    (note,) = [each for each in up(elsewhere, "half_plus_two:1")["notices"] if "from the store" in each]
    assert (state_dir in note, "set project" in note) == (True, True)


def commands(text: str, verb: str) -> list[list[str]]:
    return [shlex.split(found) for found in re.findall(rf"deployer ({verb} .*?)(?= shows| has)", text)]


def test_the_history_is_found_where_it_was_deployed_from(project, state_dir, tmp_path):
    up(project, "half_plus_two:2")
    elsewhere = tmp_path / "else where"
    elsewhere.mkdir()
    for name in ((), ("half_plus_two",)):
        (note,) = deployer("history", *name, "--json", cwd=elsewhere).json["notices"]
        assert "lost" not in note
        (command,) = commands(note, "history")
        numbers = [release["number"] for release in deployer(*command, "--json", cwd=elsewhere).json["releases"]]
        assert numbers == [2, 1]
    ended = deployer("rollback", "half_plus_two", cwd=elsewhere)
    refused(ended, 10, state_dir)
    (command,) = commands(ended.err, "rollback")
    again = deployer(*command, "--json", "-q", cwd=elsewhere)
    assert again.code == 0, again.err
    assert again.json["models"][0]["versions"] == [1]


@pytest.mark.usefixtures("quick")
def test_a_history_whose_directory_is_gone_is_lost(project, state_dir, tmp_path):
    shutil.rmtree(state_dir)
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    (note,) = deployer("history", "--json", cwd=elsewhere).json["notices"]
    assert ("lost" in note, "--state-dir" in note) == (True, False)


@pytest.mark.usefixtures("quick")
def test_an_empty_store_is_not_said_to_have_what_is_served(project, state_dir):
    shutil.rmtree(state_dir)
    ended = deployer("rollback", "half_plus_two", "--models-dir", str(project / "none"), cwd=project)
    refused(ended, 10, f"the store {project / 'none'} has no version of half_plus_two")
    assert "deployer versions" not in ended.err
