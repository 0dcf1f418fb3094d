"""Another engine is selected than the one that serves: it serves on, with all that it needs."""

from __future__ import annotations

from pathlib import Path

import pytest
from support import far as engines
from support.cli import ANY_PORTS
from support.cluster import Cluster
from support.deploying import deployer, refused, up

NAME = "half_plus_two"
ASKED = "this command asks unix:///var/run/docker.sock"


def files(project: Path) -> set[Path]:
    return {path for path in (project / ".deployer" / "docker").rglob("*") if path.is_file()}


def test_commands_that_ask_this_machine_name_the_engine_that_serves(project, cluster: Cluster, monkeypatch):
    monkeypatch.setenv("DEPLOYER_GATE_SKIP", "true")
    with engines.selected(cluster, "tls", project, monkeypatch) as far:
        up(project, f"{NAME}:1", *ANY_PORTS)
        before = files(project)
        with pytest.MonkeyPatch.context() as here:
            here.delenv("DOCKER_HOST")
            status = deployer("status", cwd=project)
            assert f"was deployed on {far.address}; {ASKED}" in status.err
            for command in ("status", "predict", "logs", "down"):
                command_there = f"DOCKER_HOST={far.address} deployer {command} {NAME}"
                ended = deployer(command, NAME, cwd=project)
                refused(ended, 10, f"was deployed on {far.address}; {ASKED}", command_there)
            plan = deployer("plan", f"{NAME}:1", "--json", cwd=project).json
            assert plan["plan"]["steps"][0]["cause"] == "nothing is deployed under this name"
            assert any(f"was deployed on {far.address}" in note for note in plan["notices"])
            assert deployer("down", "--all", cwd=project).code == 10
        assert files(project) == before
        (shown,) = deployer("status", "--json", cwd=project).json["deployments"]
        assert shown["healthy"]
        assert deployer("down", NAME, cwd=project).code == 0
    assert "was deployed on" not in deployer("status", cwd=project).err


def test_plans_and_notes_name_the_engine_and_its_machine(project, cluster: Cluster, monkeypatch):
    monkeypatch.setenv("DEPLOYER_GATE_SKIP", "true")
    monkeypatch.setenv("DEPLOYER_ENGINE", "auto")
    arguments = (f"{NAME}:1", *ANY_PORTS, "--host", "0.0.0.0")
    here = deployer("plan", *arguments, cwd=project)
    assert "/docker.sock" not in here.out
    assert "every address of this machine" in here.err + here.out
    with engines.selected(cluster, "tls", project, monkeypatch) as far:
        machine = f"at {far.address} (DOCKER_HOST)"
        plan = deployer("plan", *arguments, cwd=project)
        assert f"on docker {machine}" in plan.out
        assert f"the docker engine {machine} was chosen" in plan.err + plan.out
        assert f"every address of {far.host}:" in plan.err + plan.out
        shown = deployer("plan", *arguments, "--json", cwd=project).json["plan"]
        assert (shown["address"], shown["selected_by"]) == (far.address, "DOCKER_HOST")
        assert up(project, *arguments)["plan"]["digest"] == shown["digest"]
        assert f"every address of {far.host}:" in deployer("status", NAME, cwd=project).err
        down = deployer("down", NAME, cwd=project)
        assert f"on docker {machine} is down" in down.out
