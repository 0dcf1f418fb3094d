"""Values of variables in `docker.environment` reach the container, and nothing that deployer writes or prints."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from support.cli import ANY_PORTS, Ended
from support.containers import inspect
from support.deploying import NAME, deployer, refused
from support.leaks import files_with, outputs_with

FIRST, SECOND, IN_FILE = "c4n4ry-one", "c4n4ry-two", "c4n4ry-of-the-file"
VALUES = (FIRST, SECOND, IN_FILE)
DOCUMENT = """
env_file = "secret.env"
[models.half_plus_two]
versions = [1]
[docker.environment]
API_KEY = "Bearer ${API_KEY}"
PASSWORD = "$PASSWORD"
OTHER = "${OTHER:-plain}"
"""


@pytest.fixture
def secret(project: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    (project / "deployer.toml").write_text(DOCUMENT)
    (project / "secret.env").write_text(f"PASSWORD={IN_FILE}\nAPI_KEY=of the file\n")
    monkeypatch.setenv("API_KEY", FIRST)
    return project


@pytest.fixture
def run(secret: Path) -> Callable[..., Ended]:
    """Runs a command; all that it and others printed is in `run.ended`."""

    def runs(*arguments: str, code: int = 0) -> Ended:
        ended = deployer(*arguments, cwd=secret)
        runs.ended.append(ended)  # type: ignore[attr-defined]
        assert ended.code == code, ended.err
        return ended

    runs.ended = []  # type: ignore[attr-defined]
    return runs


def variables() -> dict[str, str]:
    return dict(entry.split("=", 1) for entry in inspect(NAME)["Config"]["Env"])


def test_secrets_are_in_the_container_and_nowhere_else(secret, run, monkeypatch):
    run("plan")
    run("up", "-v", *ANY_PORTS)
    found = inspect(NAME)
    assert variables().items() >= {
        "API_KEY": f"Bearer {FIRST}", "PASSWORD": IN_FILE, "OTHER": "plain"
    }.items()  # fmt: skip
    assert not [text for text in found["Config"]["Labels"].values() if any(value in text for value in VALUES)]
    run("up", "--json")
    assert inspect(NAME)["Id"] == found["Id"]

    monkeypatch.setenv("API_KEY", SECOND)
    planned = run("plan")
    assert "docker.environment (API_KEY has changed)" in planned.out
    run("plan", "--json")
    run("up", "-v")
    assert variables()["API_KEY"] == f"Bearer {SECOND}"
    labels = inspect(NAME)["Config"]["Labels"]
    assert labels["deployer.digest"] == found["Config"]["Labels"]["deployer.digest"]
    assert labels["deployer.environment"] == '["API_KEY", "OTHER", "PASSWORD"]'

    run("redeploy", "half_plus_two", "--version", "2")
    run("rollback", "half_plus_two", "--json")
    for command in ("status", "history", "inspect half_plus_two", "doctor"):
        run(*command.split())
        run(*command.split(), "--json")
    run("logs")
    for form in ("config", "compose", "docker-run"):
        run("render", form, "--json")
        run("render", form, "--out", f"rendered-{form}")
    run("down")
    assert outputs_with(run.ended, VALUES) == []
    assert files_with(secret, VALUES, apart_from=[secret / "secret.env"]) == []


def test_a_variable_that_is_not_set_ends_what_needs_it_and_nothing_else(secret, run, monkeypatch):
    run("up", *ANY_PORTS)
    (secret / "secret.env").write_text("PASSWORD=x\n")
    monkeypatch.delenv("API_KEY")
    for command in (("plan",), ("up",), ("redeploy", "half_plus_two", "--version", "2"), ("doctor",)):
        code = 6 if command == ("doctor",) else 3
        ended = deployer(*command, cwd=secret)
        assert ended.code == code, ended.err
        assert "docker.environment.API_KEY: the variable API_KEY is not set" in ended.err + ended.out
    for command in ("status", "history", "inspect half_plus_two", "logs", "smoke", "down"):
        run(*command.split())


def test_nothing_is_exported_before_a_variable_is_missed(secret, monkeypatch):
    monkeypatch.delenv("API_KEY")
    (secret / "secret.env").write_text("")
    (secret / "model.keras").write_text("this is no model")
    ended = deployer("up", "model.keras", cwd=secret)
    refused(ended, 3, "docker.environment.API_KEY: the variable API_KEY is not set", "env_file")


@pytest.mark.usefixtures("quick")
def test_a_new_variable_and_one_that_goes_are_named(secret, run):
    run("up", *ANY_PORTS)
    text = DOCUMENT.replace("OTHER =", "NEW =")
    (secret / "deployer.toml").write_text(text)
    assert "docker.environment (NEW is new, OTHER goes)" in run("plan").out
