"""`scale`, and the number of servers that later commands keep or go back to, on the in-memory engine."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest
from support.cli import in_process
from support.memory import MemoryEngine
from support.memory.project import NAME, VERSIONS, Project

import deployer
from deployer import engines
from deployer.errors import EngineError, InvalidValue, NotRunning, SettingRefused
from deployer.results.changes import UpResult
from deployer.results.plan import Change
from deployer.rollout.ledger import LEDGER_FILE, Ledger
from deployer.verification import smoke


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Project]:
    """Versions 1 to 3 of `m` are in the store; the engine in the Swarm's place runs any number of servers."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(smoke, "CONCURRENT_REQUESTS", 2)
    monkeypatch.setattr(smoke, "CONCURRENT_THREADS", 2)
    monkeypatch.setitem(
        engines.ENGINES, "swarm", lambda spec: MemoryEngine(spec.state_dir, spec.project or "", replicated=True)
    )
    monkeypatch.setenv("DEPLOYER_ENGINE", "swarm")
    monkeypatch.setenv("DOCKER_HOST", "unix:///nowhere.sock")
    made = Project(tmp_path)
    for version in VERSIONS:
        made.publish(version)
    yield made
    made.platform.close()


def scale(project: Project, replicas: int, *, dry_run: bool = False, **settings) -> UpResult:
    chosen = deployer.Settings(state_dir=project.state_dir, models_dir=project.store.root, project="unit", **settings)
    return deployer.scale(NAME, replicas, settings=chosen, dry_run=dry_run)


def test_scale_changes_the_number_alone_and_is_in_the_history(project):
    project.up(replicas=2)
    release = project.observed().release
    result = scale(project, 5)
    assert (result.plan.change, result.endpoints) == (Change.SCALE, project.observed().endpoints)
    assert (project.observed().replicas, project.observed().release) == (5, release)
    assert [(each.change, each.detail) for each in project.history()] == [
        ("scale", "start 3 more servers: 5 instead of 2"),
        ("create", ""),
    ]


def test_the_same_number_changes_nothing(project):
    project.up(replicas=2)
    assert scale(project, 2).plan.change is Change.NOTHING
    assert project.platform.done["scale"] == 0
    assert len(project.history()) == 1


def test_a_dry_run_shows_the_plan_and_changes_nothing(project):
    project.up(replicas=2)
    result = scale(project, 3, dry_run=True)
    assert (result.plan.change, result.endpoints, project.observed().replicas) == (Change.SCALE, None, 2)
    assert project.platform.done["recover"] == 1  # that of `up`


def test_a_killed_change_is_completed_by_the_next_command_and_the_notes_say_so(project, monkeypatch):
    project.up(replicas=2)
    observed, shown = project.observed(), "complete the killed change from 1 to 2 servers: 1 of them run"
    ledger = Ledger(project.state_dir / LEDGER_FILE, observed.project)
    number = ledger.begin(NAME, "local", "memory", Change.SCALE.value, observed.models)
    ledger.step(number, "start 1 more server")
    monkeypatch.setattr(MemoryEngine, "leftovers", lambda *_: (shown,))
    for preview in (scale(project, 2, dry_run=True), project.up(dry_run=True)):
        assert (preview.plan.recovery, preview.plan.is_change) == ((shown,), True)
        assert "the next change of m completes it" in preview.notices[0]


@pytest.mark.parametrize("replicas", [0, -1, 251])
def test_numbers_that_cannot_be_are_refused(project, replicas):
    project.up(replicas=2)
    with pytest.raises(InvalidValue, match=f"{replicas} is not a number of servers"):
        scale(project, replicas)


def test_an_engine_of_one_server_refuses_with_a_hint(project, monkeypatch):
    monkeypatch.setitem(engines.ENGINES, "embedded", lambda spec: MemoryEngine(spec.state_dir, spec.project or ""))
    monkeypatch.setenv("DEPLOYER_ENGINE", "embedded")
    project.up()
    with pytest.raises(SettingRefused, match="runs one server") as refused:
        scale(project, 2)
    assert "--engine swarm" in (refused.value.hint or "")
    with pytest.raises(SettingRefused, match=r"--replicas: it is for services on a Docker Swarm"):
        project.up(replicas=2)


def test_a_server_that_does_not_run_leaves_the_number(project):
    project.up(replicas=2)

    def fail() -> None:
        raise EngineError("no suitable node")

    project.platform.on["scale"] = fail
    with pytest.raises(EngineError, match="no suitable node"):
        scale(project, 5)
    assert project.observed().replicas == 2
    assert project.outcomes()[0] == "failed"


def test_a_stopped_deployment_is_not_scaled(project):
    project.up(replicas=2)
    project.end_servers()
    with pytest.raises(NotRunning):
        scale(project, 5)


def test_without_a_setting_every_command_keeps_the_number(project):
    project.up(replicas=2)
    scale(project, 5)
    again = project.up()
    assert (again.plan.change, project.observed().replicas) == (Change.NOTHING, 5)
    assert any("keeps 5 servers" in notice for notice in again.notices)
    assert "replaces the running one" not in str(project.redeploy().notices)
    assert (project.served().versions, project.observed().replicas) == ((3,), 5)
    project.rollback()
    assert (project.served().versions, project.observed().replicas) == ((1,), 5)


def test_up_goes_back_to_the_number_of_the_file_and_redeploy_does_not(project):
    Path("deployer.toml").write_text(f"swarm.replicas = 2\n[models.{NAME}]\nversions = [1]\n")
    project.up(None)
    assert project.observed().replicas == 2
    (back,) = scale(project, 4).notices
    assert back.startswith("swarm.replicas = 2 in deployer.toml: the next `deployer up")
    redeployed = project.redeploy()
    assert project.observed().replicas == 4
    assert any("keeps 4 servers; swarm.replicas = 2 in deployer.toml" in notice for notice in redeployed.notices)
    preview = project.up("m:3", dry_run=True)
    assert "drain and stop 2 servers: 2 instead of 4  (changed: swarm.replicas (4, now 2))" in str(preview.plan)
    project.up("m:3")
    assert project.observed().replicas == 2


def test_an_option_overrides_the_file_and_says_so(project):
    Path("deployer.toml").write_text(f"swarm.replicas = 2\n[models.{NAME}]\nversions = [1]\n")
    result = project.up(None, replicas=3)
    assert project.observed().replicas == 3
    (note,) = [notice for notice in result.notices if "says swarm.replicas = 2" in notice]
    assert "the next `deployer up" in note
    assert "` without --replicas goes back to it" in note
    assert project.redeploy(2).plan.change is not Change.SCALE
    assert project.observed().replicas == 3
    assert project.up(None, dry_run=True).plan.change is Change.REPLACE
    project.up(None)
    assert project.observed().replicas == 2


def test_one_server_that_is_kept_is_named_in_the_singular(project):
    Path("deployer.toml").write_text(f"swarm.replicas = 2\n[models.{NAME}]\nversions = [1]\n")
    project.up(None, replicas=1)
    assert any(notice.startswith("keeps 1 server; ") for notice in project.redeploy(2).notices)


def test_a_history_that_another_machine_has_is_not_called_lost(project):
    project.up()
    (project.state_dir / LEDGER_FILE).unlink()
    (note,) = deployer.history(NAME, settings=project.settings()).notices
    assert "lost" not in note
    assert "each directory and machine" in note


def test_another_version_is_replaced_and_never_reloaded(project):
    project.up(replicas=2)
    assert project.redeploy().plan.change is Change.REPLACE
    project.check(3)
    assert project.platform.done["write_config"] == 0


def test_the_number_survives_the_loss_of_the_servers(project):
    project.up(replicas=4)
    project.lose_container()
    project.up()
    assert project.observed().replicas == 4


def test_the_command_line(project, monkeypatch):
    monkeypatch.setenv("DEPLOYER_PROJECT", "unit")
    project.up(replicas=2)
    ended = in_process("scale", NAME, "3", "--json", cwd=project.directory)
    assert (ended.code, json.loads(ended.out)["plan"]["change"]) == (0, "scale")
    said = in_process("scale", NAME, "3", cwd=project.directory)
    assert (said.code, "m is up to date" in said.out) == (0, True), said
    planned = in_process("plan", "m:1", "--replicas", "6", cwd=project.directory)
    assert (planned.code, "6 instead of 3" in planned.out) == (0, True), planned
    assert in_process("scale", NAME, "0", cwd=project.directory).code == 2
