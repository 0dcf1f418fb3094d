"""What a killed command left: the next one finishes or undoes it, whatever it is asked to do itself."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable

import pytest
from support.memory.project import ANSWERS, NAME, Project

import deployer
from deployer.config import render
from deployer.errors import ModelNotFound
from deployer.results.history import Outcome
from deployer.results.launch import Launch
from deployer.results.plan import Change
from deployer.results.served import ServedModel
from deployer.rollout.ledger import LEDGER_FILE, Ledger

COMMANDS: dict[str, Callable[[Project], object]] = {
    "up": lambda project: project.up(),
    "redeploy": lambda project: project.redeploy(1),
    "label": lambda project: project.label(one=1),
}
LABELS = {"label": {"one": 1}}


def candidate(project: Project) -> None:
    """As a command leaves it that was killed while it proved one."""
    observed, root = project.observed(), str(project.store.root.resolve())
    models = (served(project, 2),)
    rendered = render.render(models, root)
    project.engine.stage(Launch(NAME, "local", observed.host, 0, 0, (), models, root, rendered))


def served(project: Project, *versions: int) -> ServedModel:
    return ServedModel(NAME, versions, (), tuple(project.store.get(NAME, number).digest for number in versions))


def reload(project: Project, *versions: int, taken_up: bool) -> None:
    """As a command leaves it that was killed in the middle of a reload, before the server did it or after."""
    models = (served(project, *versions),)
    rendered = render.render(models, str(project.store.root.resolve()))
    project.engine.write_config(project.observed(), rendered, models)
    if taken_up:
        project.platform.all()[0].server.take_up(rendered.files[render.MODEL_CONFIG])


@pytest.mark.parametrize("command", COMMANDS)
def test_a_candidate_that_was_left_is_swept(serving, command):
    candidate(serving)
    assert len(serving.platform.all()) == 2
    COMMANDS[command](serving)
    serving.check(1, labels=LABELS.get(command))


@pytest.mark.parametrize("command", COMMANDS)
@pytest.mark.parametrize("taken_up", [False, True], ids=["before the server did it", "after it"])
@pytest.mark.parametrize("versions", [(1, 2), (2,)], ids=["both", "the new one"])
def test_a_reload_that_was_left_is_undone(serving, command, taken_up, versions):
    reload(serving, *versions, taken_up=taken_up)
    COMMANDS[command](serving)
    serving.check(1, labels=LABELS.get(command))


def test_a_reload_that_was_left_is_gone_on_with_from_what_is_recorded(serving):
    reload(serving, 1, 2, taken_up=True)
    assert serving.redeploy(2).plan.change is Change.RELOAD
    serving.check(2)


def test_a_version_that_has_left_the_store_meanwhile_is_not_named_to_the_server(serving):
    reload(serving, 1, 2, taken_up=True)
    aside = serving.directory / "aside"
    (serving.store.root / NAME / "1").rename(aside)
    with pytest.raises(ModelNotFound):
        serving.redeploy(3)
    assert serving.answer() == ANSWERS[2]
    aside.rename(serving.store.root / NAME / "1")
    serving.redeploy(3)
    serving.check(3)


def test_down_removes_what_was_left_too(serving):
    candidate(serving)
    reload(serving, 1, 2, taken_up=False)
    deployer.down(NAME, settings=serving.settings())
    assert serving.platform.all() == []


def test_a_release_that_a_killed_command_left_is_noted_as_interrupted(serving):
    ledger = Ledger(serving.state_dir / LEDGER_FILE, serving.observed().project)
    ledger.begin(NAME, "local", "memory", "reload", (served(serving, 2),))
    serving.redeploy(2)
    assert serving.outcomes() == ["succeeded", "interrupted", "succeeded"]


def test_a_rollback_that_was_killed_is_gone_on_with(serving):
    serving.redeploy(2)
    serving.redeploy(3)
    ledger = Ledger(serving.state_dir / LEDGER_FILE, serving.observed().project)
    ledger.begin(NAME, "local", "memory", "reload", (served(serving, 2),), reason="rollback")
    reload(serving, 2, 3, taken_up=True)
    serving.rollback()
    serving.check(2)
    assert serving.history()[1].outcome is Outcome.INTERRUPTED


def test_what_was_deployed_before_there_were_projects_is_adopted(serving):
    for each in serving.platform.servers.pop((serving.engine.traits.project, NAME, "local")):
        each.seen = dataclasses.replace(each.seen, project="")
        serving.platform.servers["", NAME, "local"] = [each]
    serving.redeploy(2)
    serving.check(2)
    assert {key[0] for key, found in serving.platform.servers.items() if found} == {serving.engine.traits.project}


@pytest.mark.parametrize("taken_up", [False, True], ids=["before the server did it", "after it"])
def test_status_shows_a_killed_reload_also_without_the_history_and_not_while_it_goes_on(serving, taken_up):
    reload(serving, 2, taken_up=taken_up)

    def status() -> tuple[bool, bool]:
        (seen,) = deployer.status(settings=serving.settings())
        return seen.healthy, f"a reload to {NAME}:2 was killed" in seen.warning

    assert status() == (not taken_up, True)
    with serving.engine.locks.acquire(NAME, "local", 1.0):
        assert status() == (True, False)
    serving.up()
    assert status() == (True, False)
