"""`kill -9` of the tool before and after every entry of its journal, for every change of a deployment on Docker."""

from __future__ import annotations

import pytest
from support.cli import in_process
from support.containers import PROJECT, labelled, world
from support.deploying import NAME
from support.dying import AFTER, killed_at
from support.kills import Kills, State
from support.quick_server import quick_server
from support.traffic import rest_client
from support.world import state_left

SETTINGS = """
engine = "docker"
[server]
rest_port = 0
grpc_port = 0
flags = {{ {flags} }}
[gateway]
enabled = {enabled}
drain_seconds = 5
{gateway}
[gate]
skip = {skip}
"""
POLL = "file_system_poll_wait_seconds = 2"
UP = {version: ("up", f"half_plus_two:{version}") for version in (1, 2)}
NONE = State(None, ("down", "half_plus_two"))


@pytest.fixture(scope="module")
def quick_image(gateway_image):
    return quick_server(gateway_image)


def toml(*, gated: bool, proven: bool = False, flags: str = "", gateway: str = "") -> str:
    enabled, skip = str(gated).lower(), str(not proven).lower()
    return SETTINGS.format(flags=flags, enabled=enabled, skip=skip, gateway=gateway)


ALONE, GATED = (State(1, UP[1], toml(gated=gated)) for gated in (False, True))
FEWER = State(1, UP[1], toml(gated=True, gateway="max_connections = 100"))
POLLING = {gated: State(2, UP[2], toml(gated=gated, flags=POLL)) for gated in (True, False)}
PROVEN, GATED_PROVEN = (State(1, UP[1], toml(gated=gated, proven=True)) for gated in (False, True))
MODELS_CHANGE = {
    "redeploy": (PROVEN, State(2, ("redeploy", "--version", "2"), PROVEN.toml), 18),
    "rollback": (
        State(2, ("redeploy", "half_plus_two", "--version", "2", "--keep-previous"), GATED_PROVEN.toml),
        State(1, ("rollback",), GATED_PROVEN.toml, once=True),
        12,
    ),
}
SERVERS_CHANGE = {
    "up and down": (NONE, ALONE, {"both_ways": True}, 18),
    "up and down behind a gateway": (NONE, GATED, {"both_ways": True}, 18),
    "replace": (ALONE, POLLING[False], {"mirrored": True}, 12),
    "replace behind a gateway": (GATED, POLLING[True], {"mirrored": True, "seamless": True}, 12),
    "another gateway": (GATED, FEWER, {"mirrored": True, "seamless": True}, 6),
}
"""What is gone from and to, what is said of the way, and how many kills there are at least."""


@pytest.fixture
def environ(project, gateway_image, server_image, monkeypatch):
    """For commands in this process and in others."""
    found = {
        "DEPLOYER_ENGINE": "docker",
        "DEPLOYER_PROJECT": PROJECT,
        "DEPLOYER_DOCKER_IMAGE": server_image,
        "DEPLOYER_GATEWAY_IMAGE": gateway_image,
    }
    for name, value in found.items():
        monkeypatch.setenv(name, value)
    return found


def checked_by(project, bare):
    """Tells whether all is as it should be in a state."""

    def check(state: State) -> None:
        if state.version is None:
            assert (world(), state_left(project)) == (bare, [])
        else:
            assert_alone(project, bare, gated="enabled = true" in state.toml)

    return check


@pytest.mark.parametrize("change", MODELS_CHANGE)
def test_a_change_of_models_killed_anywhere_fails_no_request_and_the_next_command_ends_it(project, environ, change):
    before, after, at_least = MODELS_CHANGE[change]
    kills = Kills(project, before, after, checked_by(project, world()), environ=environ, seamless=True)
    if change == "rollback":
        kills.reach(GATED_PROVEN)
    assert kills.carry_out() >= at_least


@pytest.mark.parametrize("change", SERVERS_CHANGE)
def test_a_change_of_servers_killed_anywhere_leaves_one_that_serves_or_none_to_the_next_command(
    project, environ, quick_image, monkeypatch, change
):
    before, after, way, at_least = SERVERS_CHANGE[change]
    monkeypatch.setenv("DEPLOYER_DOCKER_IMAGE", quick_image)
    environ = {**environ, "DEPLOYER_DOCKER_IMAGE": quick_image}
    check = checked_by(project, world())
    kills = Kills(project, before, after, check, apis=(rest_client,), environ=environ, **way)
    assert kills.carry_out() >= at_least


@pytest.mark.parametrize("gated", [False, True])
def test_status_after_a_killed_replacement_shows_what_was_accepted_as_the_plan_does(
    project, environ, quick_image, monkeypatch, gated
):
    monkeypatch.setenv("DEPLOYER_DOCKER_IMAGE", quick_image)
    toml = project / "deployer.toml"
    toml.write_text((GATED if gated else ALONE).toml)
    assert in_process(*UP[1], "-q", cwd=project).code == 0
    toml.write_text(POLLING[gated].toml)
    kinds = [step["kind"] for step in in_process(*UP[2], "--dry-run", "--json", cwd=project).json["plan"]["steps"]]
    number = kinds.index("await_serving", kinds.index("promote")) + 2
    environ = {**environ, "DEPLOYER_DOCKER_IMAGE": quick_image}
    assert killed_at(number, AFTER, *UP[2], "-q", cwd=project, **environ) == "step"
    shown = in_process("status", "--exit-code", "--json", cwd=project)
    (seen,) = shown.json["deployments"]
    assert (shown.code, seen["healthy"], seen["deployment"]["models"][0]["versions"]) == (7, False, [1])
    assert "half_plus_two:2, which was not accepted, answers" in seen["detail"]
    (undo,) = in_process(*UP[1], "--dry-run", "--json", cwd=project).json["plan"]["recovery"]
    assert "half_plus_two:1 alone serves again" in undo
    assert "serving" not in in_process("status", cwd=project).out
    toml.write_text((GATED if gated else ALONE).toml)
    reload = in_process(*UP[2], "--dry-run", "--json", cwd=project)
    assert (reload.code, reload.json["plan"]["change"]) == (0, "reload"), reload.err
    assert in_process(*UP[1], "-q", cwd=project).code == 0
    assert in_process("status", "--exit-code", cwd=project).code == 0


def assert_alone(project, bare, *, gated: bool) -> None:
    """One server, its network, its config, its gateway where there is one: no lock, no candidate, no volume."""
    there = [line.split() for line in world() if line not in bare]
    containers = [NAME, f"{NAME}-gateway"] if gated else [NAME]
    assert sorted(words[-1] for words in there if words[0] == "container") == containers
    assert [words[-1] for words in there if words[0] == "network"] == [f"{NAME}-slots" if gated else NAME]
    assert {words[0] for words in there} == {"container", "network"}
    releases = [path.name for path in (project / f".deployer/docker/local@{PROJECT}/half_plus_two").iterdir()]
    assert len(releases) == 1
    assert labelled(f"deployer.release={releases[0]}")[0] == [NAME]
    assert len(list((project / ".deployer/gateway").glob("*/*/run/2*/a.cfg"))) == len(containers) - 1
