"""A replacement that was killed once its servers took requests: plans start from what the next command recovers."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable

import pytest
from support.memory import MemoryEngine
from support.memory.project import ANSWERS, NAME, Project

import deployer
from deployer import engines
from deployer.config import render
from deployer.engines.base import SERVING
from deployer.errors import PlanOutdated
from deployer.results.changes import UpResult
from deployer.results.launch import Launch
from deployer.results.plan import Change
from deployer.results.running import DeploymentStatus
from deployer.results.served import ServedModel
from deployer.rollout.ledger import LEDGER_FILE, Ledger


@pytest.fixture
def killed(project: Project, monkeypatch: pytest.MonkeyPatch) -> Project:
    """Version 1 was accepted; 2 answers, and its command was killed. The engine runs any number of servers."""
    run_several(monkeypatch)
    project.up()
    kill_replacement(project, 2)
    return project


def run_several(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DEPLOYER_ENGINE", "swarm")
    monkeypatch.setitem(
        engines.ENGINES, "swarm", lambda spec: MemoryEngine(spec.state_dir, spec.project or "", replicated=True)
    )


def kill_replacement(project: Project, version: int, *, is_recorded: bool = True) -> None:
    """Leave what a command leaves that is killed between the promotion of a version and its acceptance."""
    observed, root = project.observed(), str(project.store.root.resolve())
    models = (ServedModel(NAME, (version,), (), (project.store.get(NAME, version).digest,)),)
    candidate = project.engine.stage(
        Launch(NAME, "local", observed.host, 0, 0, (), models, root, render.render(models, root))
    )
    old, new = sorted(project.platform.all(), key=lambda each: each.seen.release == candidate.release)
    assert new.address is not None
    new.address.close()
    new.address, old.address = old.address, None
    assert new.address is not None
    new.address.server, new.accepted, new.server.candidate = new.server, False, False
    new.seen = dataclasses.replace(old.seen, release=candidate.release, role=SERVING, models=models)
    if is_recorded:
        ledger = Ledger(project.state_dir / LEDGER_FILE, observed.project)
        number = ledger.begin(NAME, "local", "memory", Change.REPLACE.value, models)
        ledger.started(number, candidate.release)
        ledger.step(number, "replace the servers in turn")


def label(project: Project, *, dry_run: bool) -> UpResult:
    return deployer.label(NAME, {"live": 1}, settings=project.settings(), dry_run=dry_run)


def scale(project: Project, *, dry_run: bool) -> UpResult:
    settings = deployer.Settings(state_dir=project.state_dir, models_dir=project.store.root, project="unit")
    return deployer.scale(NAME, 3, settings=settings, dry_run=dry_run)


COMMANDS: dict[str, tuple[Callable[..., UpResult], Change, int]] = {
    "up of the accepted": (lambda project, dry_run: project.up(dry_run=dry_run), Change.NOTHING, 1),
    "up of the killed": (lambda project, dry_run: project.up(f"{NAME}:2", dry_run=dry_run), Change.REPLACE, 2),
    "redeploy of the killed": (lambda project, dry_run: project.redeploy(2, dry_run=dry_run), Change.REPLACE, 2),
    "redeploy of another": (lambda project, dry_run: project.redeploy(3, dry_run=dry_run), Change.REPLACE, 3),
    "rollback": (lambda project, dry_run: project.rollback(dry_run=dry_run), Change.NOTHING, 1),
    "label": (lambda project, dry_run: label(project, dry_run=dry_run), Change.REPLACE, 1),
    "scale": (lambda project, dry_run: scale(project, dry_run=dry_run), Change.SCALE, 1),
}
"""Each command, its change, and the version that then serves."""


@pytest.mark.parametrize("command", COMMANDS)
def test_a_dry_run_shows_the_undo_and_the_plan_that_follows_it(killed, command):
    run, change, version = COMMANDS[command]
    planned = run(killed, dry_run=True)
    assert (planned.plan.change, planned.plan.is_change, killed.answer()) == (change, True, ANSWERS[2])
    (undo,) = planned.plan.recovery
    assert f"({NAME}:2): {NAME}:1 alone serves again" in undo
    done = run(killed, dry_run=False)
    assert (done.plan.digest, done.plan.recovery) == (planned.plan.digest, planned.plan.recovery)
    killed.check(version, labels={"live": 1} if command == "label" else None)
    assert not killed.redeploy(version, dry_run=True).plan.is_change


@pytest.mark.parametrize("version", [1, 2])
def test_the_expected_plan_is_the_one_that_follows_the_undo(killed, version):
    target = f"{NAME}:{version}"
    digest = killed.up(target, dry_run=True).plan.digest
    assert deployer.up(target, settings=killed.settings(), expect=digest).plan.digest == digest
    killed.check(version)


def test_a_rollback_goes_to_the_same_release_with_and_without_a_dry_run(killed):
    planned = killed.rollback(dry_run=True)
    assert planned.notices[0] == killed.rollback().notices[0]


def shown(project: Project) -> DeploymentStatus:
    (status,) = deployer.status(NAME, settings=project.settings())
    return status


def test_status_shows_what_was_accepted_and_says_what_answers_in_its_place(killed):
    status = shown(killed)
    assert ([model.versions for model in status.deployment.models], status.healthy) == ([(1,)], False)
    assert status.detail == "m:1 is not available, m:2, which was not accepted, answers requests without a version"
    assert [state.version for state in status.states] == [2]
    assert killed.answer() == ANSWERS[2]
    killed.up()
    assert (shown(killed).healthy, "killed" in shown(killed).warning) == (True, False)


@pytest.mark.parametrize("is_recorded", [True, False])
def test_status_is_not_healthy_while_another_server_of_the_same_version_answers(project, monkeypatch, is_recorded):
    run_several(monkeypatch)
    project.up()
    kill_replacement(project, 1, is_recorded=is_recorded)
    status = shown(project)
    assert (status.healthy, status.detail) == (False, "a server that was not accepted may answer requests")


def test_status_of_a_killed_replacement_whose_server_ended_names_the_accepted_version(killed):
    killed.end_servers()
    status = shown(killed)
    assert (status.healthy, [model.versions for model in status.deployment.models]) == (False, [(1,)])
    assert "its server is not running: deployer up m:1" in status.detail


def test_status_during_a_replacement_shows_the_server_that_answers(killed):
    with killed.engine.locks.acquire(NAME, "local", 1.0):
        status = shown(killed)
    assert ([model.versions for model in status.deployment.models], status.healthy) == ([(2,)], True)


def test_the_undo_is_shown_also_without_the_history_of_the_killed_command(project, monkeypatch):
    run_several(monkeypatch)
    project.up()
    kill_replacement(project, 2, is_recorded=False)
    (undo,) = project.up(dry_run=True).plan.recovery
    assert f"{NAME}:2: {NAME}:1 alone serves again" in undo
    project.up()
    assert project.up(dry_run=True).plan.recovery == ()


def test_a_replacement_under_way_is_not_shown_as_killed(killed):
    with killed.engine.locks.acquire(NAME, "local", 1.0):
        planned = killed.up(dry_run=True)
    assert (planned.plan.change, planned.plan.recovery) == (Change.NOTHING, ())


def test_what_is_undone_first_is_part_of_the_expected_plan(project, monkeypatch):
    run_several(monkeypatch)
    project.up()
    before = project.up(f"{NAME}:3", dry_run=True).plan
    kill_replacement(project, 2)
    shown = project.up(f"{NAME}:3", dry_run=True).plan
    assert shown.recovery
    assert shown.digest != before.digest
    with pytest.raises(PlanOutdated):
        deployer.up(f"{NAME}:3", settings=project.settings(), expect=before.digest)
    done = deployer.up(f"{NAME}:3", settings=project.settings(), expect=shown.digest).plan
    assert (done.digest, done.recovery) == (shown.digest, shown.recovery)
