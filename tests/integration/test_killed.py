"""`kill -9` of the tool before and after every step of its journal: a proven version serves, the next command mends."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import requests
from support.cli import ANY_PORTS, deployer
from support.dying import killed_at
from support.world import servers, state_left

ANSWERS = {1: 3.0, 2: 4.0}
"""What each version of half_plus_two makes of 2.0."""


def ask(endpoints: dict[str, str]) -> float:
    url = f"{endpoints['rest']}/v1/models/half_plus_two:predict"
    return requests.post(url, json={"instances": [2.0]}, timeout=10).json()["predictions"][0]


def run(project: Path, *arguments: str) -> dict:
    ended = deployer(*arguments, "--json", "-q", cwd=project)
    assert ended.code == 0, ended.err + ended.out
    return ended.json


def history(project: Path) -> list[tuple[str, str]]:
    return [(found["change"], found["outcome"]) for found in run_history(project)]


def run_history(project: Path) -> list[dict]:
    return json.loads(deployer("history", "--json", cwd=project).out)["releases"]


def test_a_first_deploy_that_is_killed_serves_nothing_or_is_whole_after_the_next(project):
    for number in range(1, 20):
        if not killed_at(number, "after", "up", "half_plus_two:1", *ANY_PORTS, cwd=project):
            break
        result = run(project, "up", "half_plus_two:1", *ANY_PORTS)
        assert ask(result["endpoints"]) == ANSWERS[1]
        assert len(servers(project)) == 1
        assert ("create", "interrupted") in history(project)[:2]
        run(project, "down")
        assert (servers(project), state_left(project)) == ([], [])
    assert number > 4


@pytest.mark.parametrize("when", ["before", "after"])
def test_a_reload_that_is_killed_leaves_the_old_version_or_the_new_one_and_the_next_command_ends_it(project, when):
    endpoints = run(project, "up", "half_plus_two:1", *ANY_PORTS)["endpoints"]
    (server,) = servers(project)
    for number in range(1, 20):
        if not killed_at(number, when, "up", "half_plus_two:2", *ANY_PORTS, cwd=project):
            break
        assert ask(endpoints) in ANSWERS.values()
        wanted = 1 + number % 2
        mended = run(project, "up", f"half_plus_two:{wanted}", *ANY_PORTS)
        assert (mended["endpoints"], ask(endpoints)) == (endpoints, ANSWERS[wanted])
        assert [found.pid for found in servers(project)] == [server.pid]
        assert any(outcome == "interrupted" for _, outcome in history(project)[:2])
        run(project, "up", "half_plus_two:1", *ANY_PORTS)
        assert ask(endpoints) == ANSWERS[1]
    assert number > 7


def test_a_replacement_that_is_killed_leaves_one_server_to_the_next_command(project):
    endpoints = run(project, "up", "half_plus_two:1", *ANY_PORTS)["endpoints"]
    flags = ["", "[server.flags]\nfile_system_poll_wait_seconds = 2\n"]
    for number in range(1, 20):
        (project / "deployer.toml").write_text(flags[1] + "[models.half_plus_two]\nversions = [2]\n")
        if not killed_at(number, "after", "up", *ANY_PORTS, cwd=project):
            break
        assert ask(endpoints) in ANSWERS.values()
        (project / "deployer.toml").write_text(flags[0] + "[models.half_plus_two]\nversions = [1]\n")
        assert run(project, "up", *ANY_PORTS)["endpoints"] == endpoints
        assert ask(endpoints) == ANSWERS[1]
        assert len(servers(project)) == 1
    assert number > 4


@pytest.mark.parametrize("when", ["before", "after"])
def test_a_down_that_is_killed_is_ended_by_the_next(project, when):
    run(project, "up", "half_plus_two:1", *ANY_PORTS)
    assert killed_at(1, when, "down", cwd=project)
    deployer("down", cwd=project)
    assert (servers(project), state_left(project)) == ([], [])
