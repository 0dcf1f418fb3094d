"""Commands in hints and notes are typed as printed: they reach the deployment that the first command was about."""

from __future__ import annotations

import re
import shlex

import pytest
from support.cli import Ended, in_process
from support.memory.project import Project

ALT = "server.rest_port = 0\nserver.grpc_port = 0\n"
LOCATIONS = {
    "project": ("--project", "other"),
    "config": ("--config", "alt.toml"),
    "state_dir": ("--state-dir", "a state"),
    "store": ("--models-dir", "another store"),
    "env": ("--env", "staging"),
}


def run(project: Project, *arguments: str, code: int = 0) -> Ended:
    ended = in_process(*arguments, cwd=project.folder)
    assert ended.code == code, ended.err
    return ended


def commands(text: str) -> list[list[str]]:
    """The commands of a text, each up to what it does, in the order of the text."""
    ends = "starts|shows|serves|asks|takes|deploys|points|ends|goes|would|replaces|makes"
    found = re.findall(rf"deployer ([^\n]+?)(?=,? (?:{ends})\b|[;,?`]|$)", text, re.MULTILINE)
    return [shlex.split(command) for command in found]


def command(ended: Ended, verb: str) -> list[str]:
    (found,) = {tuple(each) for each in commands(ended.err) if each[0] == verb}
    return list(found)


def serving(project: Project, *options: str) -> list[str]:
    """What the deployments of a location serve, as `status` prints it in JSON."""
    found = run(project, "status", "--json", *options).json["deployments"]
    return [each["deployment"]["name"] for each in found]


@pytest.fixture
def twice(project: Project) -> Project:
    """`m` serves in the project of the directory; another project and other folders have none."""
    (project.folder / "deployer.toml").write_text(ALT)
    (project.folder / "alt.toml").write_text(f'project = "alt"\n{ALT}')
    (project.folder / "another store").symlink_to(project.store.root)
    run(project, "up", "m:1", "-q")
    return project


@pytest.mark.parametrize("given", LOCATIONS.values(), ids=LOCATIONS)
def test_the_next_steps_of_up_reach_what_up_has_deployed(twice, given):
    if given[0] == "--models-dir":
        run(twice, "down", "m")
    ended = run(twice, "up", "m:2", *given)
    (ask,) = (each for each in commands(ended.err.replace("ask it:", "")) if each[0] == "predict")
    assert set(given) <= set(ask)
    run(twice, *ask)
    run(twice, *command(ended, "down"))
    assert serving(twice) == ([] if given[0] == "--models-dir" else ["m"])
    run(twice, *command(ended, "down"), code=10)


@pytest.mark.parametrize("given", LOCATIONS.values(), ids=LOCATIONS)
def test_the_hint_of_a_missing_deployment_deploys_it_where_it_was_missed(twice, given):
    if given[0] == "--models-dir":
        run(twice, "down", "m")
    missed = run(twice, "predict", "m", *given, code=10)
    run(twice, *command(missed, "up"))
    run(twice, "predict", "m", *given)
