"""A deployment whose container was removed by hand: the history says what it served, and each command says so."""

from __future__ import annotations

import socket
from collections.abc import Callable

import pytest
from support.memory.project import NAME, Project

import deployer
from deployer.errors import DeploymentNotFound
from deployer.results.plan import Change
from deployer.rollout.workspace import open_workspace


@pytest.fixture
def labelled(project: Project) -> Project:
    """Version 1 was labelled after a rollback from version 2; its container is gone."""
    project.up(f"{NAME}:1")
    project.up(f"{NAME}:2")
    project.rollback()
    project.label(stable=1)
    project.lose_container()
    return project


@pytest.mark.parametrize("dry_run", [True, False])
def test_up_says_which_versions_and_labels_are_not_served_again(labelled, dry_run):
    result = labelled.up(NAME, dry_run=dry_run)
    assert result.plan.change is Change.CREATE
    texts = [text for text in result.notices if f"{NAME}: 1 (stable)" in text]
    assert any("is gone" in text for text in texts), result.notices
    assert any("release 4" in text for text in texts), result.notices
    assert any("label stable" in text and "goes" in text for text in result.notices), result.notices


@pytest.mark.parametrize("dry_run", [True, False])
@pytest.mark.parametrize("target", [NAME, f"{NAME}:1"])
def test_the_plan_gives_the_lost_server_as_its_cause_until_it_is_removed(labelled, target, dry_run):
    cause = labelled.up(target, dry_run=dry_run).plan.steps[0].cause
    assert f"{NAME}: 1 (stable)" in cause
    assert "is gone" in cause
    deployer.down(NAME, settings=labelled.settings())
    assert "nothing is deployed" in labelled.up(target, dry_run=True).plan.steps[0].cause


def test_a_plan_that_names_the_lost_server_is_the_expected_one(labelled):
    shown = labelled.up(f"{NAME}:1", dry_run=True).plan
    result = deployer.up(f"{NAME}:1", settings=labelled.settings(), expect=shown.digest)
    assert result.plan.digest == shown.digest


@pytest.mark.parametrize("dry_run", [True, False])
def test_up_of_the_version_keeps_its_labels_as_for_a_stopped_server(labelled, dry_run):
    result = labelled.up(f"{NAME}:1", dry_run=dry_run)
    assert dict(result.models[0].labels) == {"stable": 1}
    assert not any("release 4" in text for text in result.notices)


COMMANDS: dict[str, Callable[[Project], object]] = {
    "predict": lambda project: deployer.predict(NAME, settings=project.settings()),
    "logs": lambda project: deployer.logs(NAME, settings=project.settings()),
    "redeploy": lambda project: project.redeploy(2),
    "label": lambda project: project.label(canary=2),
    "status": lambda project: deployer.status(NAME, settings=project.settings()),
}


@pytest.mark.parametrize("command", COMMANDS)
def test_the_hint_serves_the_same_again(labelled, command):
    with pytest.raises(DeploymentNotFound) as refused:
        COMMANDS[command](labelled)
    assert f"{NAME}: 1 (stable)" in refused.value.message
    assert f"deployer up {NAME}:1" in (refused.value.hint or "")
    labelled.up(f"{NAME}:1")
    labelled.check(1, labels={"stable": 1})


def test_rollback_goes_to_the_release_before(labelled):
    assert labelled.rollback(dry_run=True).plan.change is Change.CREATE
    labelled.rollback()
    labelled.check(1)


def test_rollback_to_its_last_release_serves_it_again(labelled):
    labelled.rollback(to=4)
    labelled.check(1, labels={"stable": 1})


def test_status_names_it_without_a_name(labelled):
    said: list[str] = []
    assert deployer.status(settings=labelled.settings(), progress=lambda event: said.append(str(event))) == ()
    assert any("is gone" in text and f"deployer up {NAME}:1" in text for text in said), said


def remove(project: Project) -> deployer.DownResult:
    return deployer.down(NAME, settings=project.settings())


def remove_all(project: Project) -> deployer.DownResult:
    (result,) = deployer.down_all(settings=project.settings())
    return result


@pytest.mark.parametrize("down", [remove, remove_all])
def test_down_records_the_removal_and_says_what_it_forgets(labelled, down):
    result = down(labelled)
    assert result.plan.change is Change.REMOVE
    assert any("is gone" in text and "forgotten" in text for text in result.notices)
    assert labelled.history()[0].change == Change.REMOVE.value
    with pytest.raises(DeploymentNotFound):
        down(labelled)
    assert not any("is gone" in text for text in labelled.up(NAME, dry_run=True).notices)


@pytest.mark.parametrize("dry_run", [True, False])
def test_a_port_of_the_history_that_is_taken_is_named(project, dry_run):
    rest = project.up().endpoints.rest.rpartition(":")[2]
    project.lose_container()
    with socket.create_server(("127.0.0.1", int(rest))):
        result = deployer.up(f"{NAME}:1", settings=project.settings(rest_port=None, grpc_port=None), dry_run=dry_run)
    assert any(f"port {rest} is taken by " in text for text in result.notices), result.notices


def test_a_port_of_a_stopped_server_that_is_taken_is_named_by_the_plan(project):
    rest = project.up().endpoints.rest.rpartition(":")[2]
    project.end_servers()
    with socket.create_server(("127.0.0.1", int(rest))):
        settings = project.settings(rest_port=None, grpc_port=None)
        result = deployer.up(f"{NAME}:1", settings=settings, dry_run=True)
    assert any(f"port {rest} is taken by " in text for text in result.notices), result.notices


def test_a_lost_history_is_no_error(labelled):
    labelled.state_dir.joinpath("ledger.db").write_bytes(b"no database" * 100)
    with pytest.raises(DeploymentNotFound):
        deployer.predict(NAME, settings=labelled.settings())
    assert open_workspace(labelled.settings()).engine.inventory.names() == ()
