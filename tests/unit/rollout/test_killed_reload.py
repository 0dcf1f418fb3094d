"""A reload whose command was killed: what `status` and `predict` say of versions that were not accepted."""

from __future__ import annotations

import pytest
from support.memory.project import ANSWERS, NAME, Project

import deployer
from deployer.config import render
from deployer.console.deployments import show_up
from deployer.results.plan import Change
from deployer.results.progress import Progress
from deployer.results.running import DeploymentStatus
from deployer.results.served import ServedModel
from deployer.rollout.workspace import open_workspace


def kill_reload(project: Project, *versions: int, taken_up: bool = True, **labels: int) -> None:
    """Leave what a command leaves that is killed during a reload, once the server has the models or before."""
    digests = tuple(project.store.get(NAME, number).digest for number in versions)
    models = (ServedModel(NAME, versions, tuple(labels.items()), digests),)
    rendered = render.render(models, str(project.store.root.resolve()))
    project.engine.write_config(project.observed(), rendered, models)
    if taken_up:
        project.platform.all()[0].server.take_up(rendered.files[render.MODEL_CONFIG])


def into(notes: list[str]) -> Progress:
    return lambda event: notes.append(str(event))


def status(project: Project) -> DeploymentStatus:
    (found,) = deployer.status(NAME, settings=project.settings())
    return found


@pytest.mark.parametrize(
    ("versions", "faults"),
    [
        ((2,), ("m:1 is not available", "m:2, which was not accepted, answers requests without a version")),
        ((1, 2), ("m:2, which was not accepted, answers requests without a version",)),
    ],
    ids=["the new one", "both"],
)
def test_status_is_not_healthy_while_a_version_that_was_not_accepted_answers(serving, versions, faults):
    kill_reload(serving, *versions)
    found = status(serving)
    assert (found.healthy, found.detail) == (False, ", ".join(faults))
    assert "killed" in found.warning
    serving.up()
    assert status(serving).healthy


def test_status_names_a_lower_version_that_was_not_accepted(serving):
    serving.redeploy(2)
    kill_reload(serving, 1, 2)
    assert status(serving).detail == "m:1, which was not accepted, answers requests for it"


def test_status_names_a_label_that_was_moved_and_not_accepted(serving):
    serving.redeploy(2, keep=True)
    serving.label(live=1, old=1)
    kill_reload(serving, 1, 2, live=2, new=2)
    found = status(serving)
    assert (found.healthy, found.detail.split(", label ")) == (
        False,
        [
            "label live of m leads to m:2, and not to m:1",
            "new of m leads to m:2, which was not accepted",
            "old of m answers no request, and not to m:1",
        ],
    )


def test_a_reload_that_was_killed_before_the_server_did_it_leaves_it_healthy(serving):
    kill_reload(serving, 2, taken_up=False)
    found = status(serving)
    assert (found.healthy, found.detail) == (True, "all versions are available")
    assert "killed" in found.warning


@pytest.mark.parametrize("versions", [(1, 2), (2,)])
def test_a_reload_under_way_leaves_the_deployment_healthy(serving, versions):
    kill_reload(serving, *versions)
    workspace = open_workspace(serving.settings())
    with workspace.lock(serving.engine, NAME, "local"):
        assert status(serving).healthy


@pytest.mark.parametrize("versions", [(1, 2), (2,)])
def test_predict_names_the_version_that_answers(serving, versions):
    kill_reload(serving, *versions)
    notes: list[str] = []
    answer = deployer.predict(NAME, settings=serving.settings(), progress=into(notes))
    assert answer == deployer.predict(NAME, version=2, settings=serving.settings())
    assert serving.answer() == ANSWERS[2]
    text = "\n".join(notes)
    assert "killed" in text
    assert "m:2 answers, which was not accepted" in text
    assert "m:2 is asked for its signature" in text
    assert "m:1 is asked" not in text


def test_predict_with_a_request_names_the_version_that_answers(serving):
    kill_reload(serving, 1, 2)
    notes: list[str] = []
    body = {"instances": [2.0]}
    deployer.predict(NAME, body, settings=serving.settings(), progress=into(notes))
    assert any("m:2 answers, which was not accepted" in note for note in notes)
    notes.clear()
    deployer.predict(NAME, body, version=1, settings=serving.settings(), progress=into(notes))
    assert not any("answers" in note for note in notes)


def test_predict_refuses_an_accepted_version_that_is_unloaded_and_names_those_that_answer(serving):
    kill_reload(serving, 2)
    with pytest.raises(deployer.DeployerError, match="served: 2"):
        deployer.predict(NAME, version=1, settings=serving.settings())


def test_predict_follows_a_label_to_the_version_that_answers(serving):
    serving.redeploy(2, keep=True)
    serving.label(live=1)
    kill_reload(serving, 1, 2, live=2)
    notes: list[str] = []
    deployer.predict(NAME, version="live", settings=serving.settings(), progress=into(notes))
    assert any("m:2 is asked for its signature" in note for note in notes)


COMMANDS = {
    "up": lambda project, dry_run: project.up(dry_run=dry_run),
    "redeploy": lambda project, dry_run: project.redeploy(1, dry_run=dry_run),
    "rollback": lambda project, dry_run: project.rollback(to=1, dry_run=dry_run),
}


@pytest.mark.parametrize("command", COMMANDS)
@pytest.mark.parametrize("versions", [(1, 2), (2,)])
def test_a_dry_run_shows_that_a_killed_reload_is_undone_and_does_not_call_it_up_to_date(
    serving, capsys, command, versions
):
    kill_reload(serving, *versions)
    planned = COMMANDS[command](serving, True)
    assert (planned.plan.change, planned.plan.is_change) == (Change.NOTHING, True)
    assert "m:1 alone serves again" in str(planned.plan)
    show_up(planned, 1)
    assert "up to date" not in capsys.readouterr().out
    done = COMMANDS[command](serving, False)
    assert (done.plan.digest, done.plan.recovery) == (planned.plan.digest, planned.plan.recovery)
    assert not COMMANDS[command](serving, True).plan.is_change


def test_a_dry_run_of_another_version_shows_first_that_a_killed_reload_is_undone(serving):
    kill_reload(serving, 1, 2)
    planned = serving.redeploy(3, dry_run=True)
    assert planned.plan.change is Change.RELOAD
    assert planned.plan.recovery
    assert serving.redeploy(3).plan.digest == planned.plan.digest
