"""One name on two engines: it is not made a second time, and where it is there twice the engine has to be named."""

from __future__ import annotations

import pytest
from support.cli import ANY_PORTS
from support.deploying import ask, deployer, refused, up
from support.world import MODELS

NAME = "half_plus_two"
AWAY = "unix:///nowhere.sock"
VERBS = (
    ("up", f"{NAME}:1"), ("plan", f"{NAME}:1"), ("redeploy", NAME), ("rollback", NAME), ("label", NAME, "canary=2"),
    ("predict", NAME), ("predict",), ("smoke", NAME), ("logs", NAME), ("down", NAME),
)  # fmt: skip


@pytest.fixture(autouse=True)
def _any_engine(project, monkeypatch):
    """Engines are named by options alone."""
    monkeypatch.delenv("DEPLOYER_ENGINE")


def engines(project, *arguments: str) -> list[str]:
    there = deployer("status", *arguments, "--json", cwd=project).json["deployments"]
    return sorted(found["deployment"]["engine"] for found in there)


@pytest.mark.parametrize(("first", "second"), [("docker", "embedded"), ("embedded", "docker")])
def test_a_name_that_is_on_one_engine_is_not_made_on_another(project, monkeypatch, first, second):
    up(project, f"{NAME}:1", "--engine", first, *ANY_PORTS)
    told = (f"deployer down {NAME} --engine {first}", f"--engine {first} goes on there", f"; --env {second} keeps both")
    for verb in (("up",), ("plan",), ("up", "--dry-run")):
        refused(deployer(*verb, f"{NAME}:1", "--engine", second, cwd=project), 2, *told)
    monkeypatch.setenv("DEPLOYER_ENGINE", second)
    refused(deployer("up", f"{NAME}:1", cwd=project), 2, *told)
    monkeypatch.delenv("DEPLOYER_ENGINE")
    assert engines(project) == [first]
    for verb in ("redeploy", "predict", "down", "status"):
        told = f"hint: {NAME} is on {first}: --engine {first}, or leave --engine out\n"
        refused(deployer(verb, NAME, "--engine", second, cwd=project), 10, told)
    told = deployer("status", "--engine", second, cwd=project)
    assert told.code == 0
    assert f"nothing is deployed on {second}" in told.err
    assert f"deployer status --engine {first}" in told.err
    refused(deployer("predict", NAME, "--env", "other", cwd=project), 10, "reached with --env local")
    assert up(project, f"{NAME}:1", "--engine", first)["plan"]["change"] == "nothing"
    assert up(project, f"{NAME}:1")["plan"]["change"] == "nothing"
    source = str(MODELS / NAME / "1")
    both = f"--env {second} or --name {NAME}-{second} keeps both"
    refused(deployer("up", source, "--engine", second, cwd=project), 2, both)
    for way in ((f"{NAME}:1", "--env", second), (source, "--name", f"{NAME}-{second}")):
        planned = deployer("plan", *way, "--engine", second, "--json", cwd=project)
        assert (planned.code, planned.json["plan"]["change"]) == (0, "create"), planned.err


def test_what_is_on_both_is_meant_by_its_engine(project, monkeypatch):
    up(project, f"{NAME}:1", "--engine", "docker", *ANY_PORTS)
    up(project, f"{NAME}:2", "--engine", "docker")
    with monkeypatch.context() as away:
        away.setenv("DOCKER_HOST", AWAY)
        made = up(project, f"{NAME}:3", "--engine", "embedded", *ANY_PORTS)
    assert any(AWAY in said for said in made["notices"]), made["notices"]
    assert engines(project) == engines(project, NAME) == engines(project, "--all") == ["docker", "embedded"]
    for verb in VERBS:
        refused(deployer(*verb, cwd=project), 2, "--engine docker", "--engine embedded")
    refused(deployer("rollback", NAME, "--engine", "embedded", cwd=project), 10, "embedded")
    refused(deployer("rollback", NAME, "--engine", "docker", "--to", "3", cwd=project), 10, "docker")
    back = deployer("rollback", NAME, "--engine", "docker", "--json", cwd=project)
    assert (back.code, back.json["engine"], back.json["models"][0]["versions"]) == (0, "docker", [1]), back.err
    assert (ask(back.json["endpoints"], 2.0), ask(made["endpoints"], 2.0)) == (3.0, 2.0)
    assert deployer("predict", NAME, "--engine", "embedded", cwd=project).code == 0
    seen = deployer("history", NAME, "--json", cwd=project).json["releases"]
    assert [each["engine"] for each in seen] == ["docker", "embedded", "docker", "docker"]
    rows = deployer("history", NAME, cwd=project).out.splitlines()
    column = rows[0].index("ENGINE")
    assert [row[column:].split()[0] for row in rows[1:]] == ["docker", "embedded", "docker", "docker"]
    removed = deployer("down", "--all", cwd=project)
    assert removed.code == 0, removed.err
    assert [each for line in removed.out.splitlines() for each in ("docker", "embedded") if each in line] == [
        "docker", "embedded",
    ]  # fmt: skip
    assert engines(project) == []
