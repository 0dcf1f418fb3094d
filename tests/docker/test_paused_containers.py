"""Containers of a deployment that somebody has paused: they hold their ports, and `up` resumes them."""

from __future__ import annotations

import pytest
from support.cli import ANY_PORTS
from support.containers import docker, inspect
from support.deploying import NAME, ask, deployer, refused, up

GATEWAY = f"{NAME}-gateway"
CHANGES = {
    "nothing": ("up", "half_plus_two:1"),
    "reload": ("up", "half_plus_two:2"),
    "redeploy": ("redeploy", "half_plus_two", "--version", "2"),
    "replace": ("up", "half_plus_two:1", "--memory", "900m"),
}


@pytest.mark.parametrize("change", CHANGES)
def test_a_paused_server_is_resumed_and_keeps_its_ports(project, change):
    first = up(project, "half_plus_two:1", *ANY_PORTS)
    command = CHANGES[change]
    docker("pause", NAME)
    planned = deployer(*command, "--dry-run", "--json", cwd=project).json
    assert planned["plan"]["change"] == {"redeploy": "reload"}.get(change, change)
    assert any("paused" in notice for notice in planned["notices"])
    assert not any("is taken by" in notice for notice in planned["notices"])
    changed = deployer(*command, "--json", "-q", cwd=project)
    assert changed.code == 0, changed.err
    assert changed.json["endpoints"] == first["endpoints"]
    assert any("paused, and is resumed" in notice for notice in changed.json["notices"])
    assert not any("is taken by" in notice for notice in changed.json["notices"])
    assert ask(first["endpoints"], 2.0) == (3.0 if change in {"nothing", "replace"} else 4.0)
    assert inspect(NAME)["State"]["Status"] == "running"


def test_status_and_questions_say_that_a_server_is_paused(project):
    up(project, "half_plus_two:1", *ANY_PORTS)
    docker("pause", NAME)
    shown = deployer("status", "--exit-code", cwd=project)
    assert (shown.code, "paused" in shown.out, "resumes it" in shown.err) == (7, True, True), shown.out + shown.err
    (seen,) = deployer("status", "--json", cwd=project).json["deployments"]
    assert (seen["healthy"], seen["deployment"]["paused"]) == (False, True)
    for command in ("smoke", "predict"):
        refused(deployer(command, "half_plus_two", cwd=project), 7, "paused", "resumes it")
    assert deployer("down", "half_plus_two", "-q", cwd=project).code == 0


def test_a_paused_gateway_is_resumed_and_keeps_its_ports(project, gateway_image, monkeypatch):
    monkeypatch.setenv("DEPLOYER_GATEWAY_ENABLED", "true")
    monkeypatch.setenv("DEPLOYER_GATEWAY_IMAGE", gateway_image)
    first = up(project, "half_plus_two:1", *ANY_PORTS)
    docker("pause", GATEWAY)
    docker("pause", NAME)
    assert "paused" in deployer("status", cwd=project).out
    assert deployer("plan", "half_plus_two:1", "--json", cwd=project).json["plan"]["change"] == "nothing"
    changed = up(project, "half_plus_two:2")
    assert changed["endpoints"] == first["endpoints"]
    assert sum("paused, and is resumed" in notice for notice in changed["notices"]) == 2
    assert ask(first["endpoints"], 2.0) == 4.0
