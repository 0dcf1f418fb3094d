"""`kill -9` of the tool before and after every entry of its journal: what is proven serves, the next command mends."""

from __future__ import annotations

import contextlib
import subprocess
from pathlib import Path

import pytest
import requests
from support.cli import ANY_PORTS, deployer, start
from support.dying import AFTER, BEFORE, killed_at
from support.kills import ANSWERS, Kills, State
from support.unaccepted import BOTH_LOADED, OLD_UNLOADED, check_killed_reload
from support.world import eventually, servers, state_left

from deployer.errors import PLAN_HAS_CHANGES


def ask(endpoints: dict[str, str]) -> float:
    url = f"{endpoints['rest']}/v1/models/half_plus_two:predict"
    return requests.post(url, json={"instances": [2.0]}, timeout=60).json()["predictions"][0]


def run(project: Path, *arguments: str) -> dict:
    ended = deployer(*arguments, "--json", "-q", cwd=project)
    assert ended.code == 0, ended.err + ended.out
    return ended.json


UP = {version: ("up", f"half_plus_two:{version}", *ANY_PORTS) for version in (1, 2)}
FLAGS = "[server.flags]\nfile_system_poll_wait_seconds = 2\n"
NONE, ONE = State(None, ("down", "half_plus_two")), State(1, UP[1])
CHANGES = {
    "up and down": (NONE, ONE, {"both_ways": True}, 18),
    "redeploy": (ONE, State(2, ("redeploy", "--version", "2")), {"seamless": True}, 18),
    "replace": (ONE, State(2, UP[2], FLAGS), {"seamless": True, "mirrored": True}, 14),
    "rollback": (
        State(2, ("redeploy", "half_plus_two", "--version", "2", "--keep-previous")),
        State(1, ("rollback",), once=True), {"seamless": True}, 12,
    ),
}  # fmt: skip
"""What is gone from and to, what is said of the way, and how many kills there are at least."""


@pytest.mark.parametrize("change", CHANGES)
def test_a_change_that_is_killed_anywhere_leaves_what_served_or_what_is_to_and_the_next_command_ends_it(
    project, change
):
    before, after, way, at_least = CHANGES[change]

    def check(state: State) -> None:
        assert len(servers(project)) == (1 if state.version else 0)
        assert state.version or state_left(project) == []

    kills = Kills(project, before, after, check, **way)
    if change == "rollback":
        kills.reach(ONE)
    assert kills.carry_out() >= at_least


LAST_CHECKS = ("verify_serving", "await_serving", "judge_traffic")
ENDS = {
    "create": ((), UP[1], None),
    "reload": (UP[1], ("redeploy", "--version", "2"), 1),
    "reload, measured": (UP[1], ("redeploy", "--version", "2", "--measure", "50"), 1),
    "label": (UP[1], ("label", "half_plus_two", "canary=2"), 1),
    "replace": (UP[1], UP[2], 1),
}
"""What serves before, the change that is killed, and what serves once it is undone."""


def planned(project: Path, change: str) -> tuple[tuple[str, ...], list[str], int | None]:
    """The command of a change, the kinds of its steps, and the version before."""
    first, command, before = ENDS[change]
    if first:
        run(project, *first)
    if change == "replace":
        (project / "deployer.toml").write_text(FLAGS)
    plan = run(project, *command, "--dry-run")["plan"]
    return command, [step["kind"] for step in plan["steps"]], before


def newest(project: Path) -> dict:
    """The newest release."""
    return deployer("history", "--json", cwd=project).json["releases"][0]


def status_notes(project: Path) -> list[str]:
    """What `status` says of killed commands."""
    return [line for line in deployer("status", cwd=project).err.splitlines() if "was killed at" in line]


def notes(project: Path, *arguments: str) -> list[str]:
    """The notices of a command that tell how a killed release ended."""
    return [text for text in run(project, *arguments)["notices"] if "accepted" in text]


@pytest.mark.parametrize("change", ENDS)
def test_a_change_that_is_killed_at_its_last_check_is_undone_by_the_next_and_both_say_so(project, change):
    command, kinds, before = planned(project, change)
    last = max(position for position, kind in enumerate(kinds) if kind in LAST_CHECKS)
    assert killed_at(last + 2, AFTER, *command, "-q", cwd=project) == "step"
    number = newest(project)["number"]
    (said,) = status_notes(project)
    assert f"release {number} " in said
    assert len(notes(project, "up", "half_plus_two:1", "--dry-run")) == 1
    undone = notes(project, "up", "half_plus_two:1")
    assert ["undone" in text for text in undone] == [True]
    assert (f"half_plus_two:{before} is served" if before else "nothing is served") in undone[0]
    assert status_notes(project) == []
    endpoints = run(project, "up", "half_plus_two:1")["endpoints"]
    assert ask(endpoints) == ANSWERS[1]
    assert len(servers(project)) == 1


@pytest.mark.parametrize("change", ENDS)
def test_a_change_that_is_killed_after_its_acceptance_stays_and_the_next_command_says_so(project, change):
    command, kinds, _ = planned(project, change)
    assert killed_at(len(kinds) + 2, BEFORE, *command, "-q", cwd=project) == "end"
    assert len(status_notes(project)) == 1
    assert len(notes(project, *command, "--dry-run")) == 1
    accepted = notes(project, *command)
    assert ["accepted already" in text for text in accepted] == [True]
    assert status_notes(project) == []
    release = newest(project)
    assert (release["outcome"], "was killed at" in release["detail"]) == ("succeeded", True)


def test_a_rollback_undoes_a_reload_that_was_killed_at_its_last_check_and_goes_no_further_back(project):
    command, kinds, _ = planned(project, "reload")
    run(project, *command)
    killed_at(kinds.index("record_models") + 2, AFTER, "redeploy", "--version", "3", "-q", cwd=project)
    shown = deployer("rollback", "--dry-run", cwd=project).out
    assert ("up to date" in shown, "half_plus_two:2 alone serves again" in shown) == (False, True)
    assert deployer("plan", "half_plus_two:2", "--exit-code", cwd=project).code == PLAN_HAS_CHANGES
    for dry_run in (("--dry-run",), ()):
        back = run(project, "rollback", *dry_run)
        assert (back["models"][0]["versions"], back["plan"]["change"]) == ([2], "nothing")
    assert ask(back["endpoints"]) == ANSWERS[2]


@pytest.mark.parametrize("step", [BOTH_LOADED, OLD_UNLOADED])
def test_status_and_predict_name_a_version_that_answers_and_was_not_accepted(project, step):
    run(project, *UP[1])
    check_killed_reload(project, step)


def test_a_rollback_undoes_a_replacement_that_was_killed_at_its_last_check_and_smoke_names_it(project):
    run(project, *UP[2])
    command, kinds, _ = planned(project, "replace")
    assert kinds[-1] == "verify_serving"
    killed_at(len(kinds) + 1, AFTER, *command, "-q", cwd=project)
    number = newest(project)["number"]
    (notice,) = deployer("smoke", "--json", cwd=project).json["notices"]
    assert f"release {number} " in notice
    assert "may serve" in notice
    (shown,) = deployer("status", "--json", cwd=project).json["deployments"]
    assert (shown["healthy"], shown["deployment"]["models"][0]["versions"]) == (False, [1])
    (project / "deployer.toml").unlink()
    for dry_run in (("--dry-run",), ()):
        back = run(project, "rollback", *dry_run)
        assert back["models"][0]["versions"] == [1]
    assert ask(back["endpoints"]) == ANSWERS[1]
    assert deployer("smoke", "--json", cwd=project).json["notices"] == []


@pytest.mark.parametrize("change", ["create", "reload", "replace"])
@pytest.mark.parametrize("step", ["start_candidate", "verify_candidate"])
def test_a_change_that_was_killed_at_its_candidate_takes_no_requests_and_rollback_passes_it_over(project, change, step):
    if change != "create":
        run(project, *UP[2])
    command, kinds, before = planned(project, change)
    killed_at(kinds.index(step) + 2, AFTER, *command, "-q", cwd=project)
    (said,) = status_notes(project)
    assert ("takes no requests" in said, "may serve" in said) == (True, False)
    if before:
        assert run(project, "rollback", "--dry-run")["models"][0]["versions"] == [2]


def test_a_rollback_returns_to_a_release_that_was_accepted_before_its_command_was_killed(project):
    command, kinds, _ = planned(project, "reload")
    killed_at(len(kinds) + 2, BEFORE, *command, "-q", cwd=project)
    run(project, "redeploy", "--version", "3")
    assert run(project, "rollback")["models"][0]["versions"] == [2]


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
    """The state directory on a disk of 4 MiB."""
    state = project / ".deployer"
    state.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=4m", "tmpfs", str(state)], check=True, timeout=60)
    yield state
    deployer("down", "--all", "-q", cwd=project)
    subprocess.run(["umount", "--lazy", str(state)], check=True, timeout=60)


def fill(directory: Path) -> Path:
    filler = directory / "filler"
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
    refused = deployer("up", "half_plus_two:2", *ANY_PORTS, cwd=project)
    assert (refused.code in (1, 6), "free space on" in refused.err) == (True, True), refused.err
    filler.unlink()
    assert run(project, "up", "half_plus_two:1", *ANY_PORTS)["endpoints"] == endpoints
    assert ask(endpoints) == ANSWERS[1]
    assert len(servers(project)) == 1
    fill(small_disk)
    removed = deployer("down", cwd=project)
    assert (removed.code, "not recorded" in removed.err) == (0, True), removed.err
    assert servers(project) == []
