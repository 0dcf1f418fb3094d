"""`kill -9` of the tool before and after every step of its journal: a proven version serves, the next command mends."""

from __future__ import annotations

import contextlib
import json
import subprocess
from pathlib import Path

import pytest
import requests
from support.cli import ANY_PORTS, deployer, start
from support.dying import killed_at
from support.world import eventually, servers, state_left

ANSWERS = {1: 3.0, 2: 4.0}
"""What each version of half_plus_two makes of 2.0."""


def ask(endpoints: dict[str, str]) -> float:
    url = f"{endpoints['rest']}/v1/models/half_plus_two:predict"
    return requests.post(url, json={"instances": [2.0]}, timeout=60).json()["predictions"][0]


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
        wanted = 2 if number % 4 == 0 else 1
        mended = run(project, "up", f"half_plus_two:{wanted}", *ANY_PORTS)
        assert (mended["endpoints"], ask(endpoints)) == (endpoints, ANSWERS[wanted])
        assert [found.pid for found in servers(project)] == [server.pid]
        assert any(outcome == "interrupted" for _, outcome in history(project)[:2])
        if wanted == 2:
            run(project, "up", "half_plus_two:1", *ANY_PORTS)
    assert number > 7


def test_a_rollback_that_is_killed_leaves_either_version_and_the_next_command_ends_it(project):
    endpoints = run(project, "up", "half_plus_two:1", *ANY_PORTS)["endpoints"]
    for number in range(1, 20):
        run(project, "redeploy", "--version", "2", "--keep-previous")
        if not killed_at(number, "after", "rollback", cwd=project):
            break
        assert ask(endpoints) in ANSWERS.values()
        run(project, "redeploy", "--version", "2", "--keep-previous")
        assert ask(endpoints) == ANSWERS[2]
        assert len(servers(project)) == 1
    assert (ask(endpoints), number > 4) == (ANSWERS[1], True)


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


def test_what_serves_is_killed_while_its_successor_is_proven(project):
    run(project, "up", "half_plus_two:1", *ANY_PORTS)
    (serving,) = servers(project)
    redeploy = start("redeploy", "--version", "2", cwd=project)
    eventually(lambda: len(servers(project)) == 2, "a candidate is there")
    serving.kill()
    assert redeploy.wait(120) not in (0, 70)
    mended = run(project, "up", "half_plus_two:2", *ANY_PORTS)
    assert ask(mended["endpoints"]) == ANSWERS[2]
    assert len(servers(project)) == 1


@pytest.fixture
def small_disk(project):
    """The state folder on a disk of 4 MiB."""
    state = project / ".deployer"
    state.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=4m", "tmpfs", str(state)], check=True, timeout=30)
    yield state
    deployer("down", "--all", "-q", cwd=project)
    subprocess.run(["umount", "--lazy", str(state)], check=True, timeout=30)


def fill(folder: Path) -> Path:
    filler = folder / "filler"
    with filler.open("wb", buffering=0) as file, contextlib.suppress(OSError):
        while True:
            file.write(bytes(4096))
    return filler


def test_a_disk_that_becomes_full_while_a_candidate_is_proven_leaves_what_served(project, small_disk):
    endpoints = run(project, "up", "half_plus_two:1", *ANY_PORTS)["endpoints"]
    redeploy = start("redeploy", "--version", "2", cwd=project)
    eventually(lambda: len(servers(project)) == 2, "a candidate is there")
    filler = fill(small_disk)
    assert redeploy.wait(120) not in (0, 70)
    assert ask(endpoints) in ANSWERS.values()
    filler.unlink()
    assert run(project, "up", "half_plus_two:1", *ANY_PORTS)["endpoints"] == endpoints
    assert ask(endpoints) == ANSWERS[1]
    assert len(servers(project)) == 1
