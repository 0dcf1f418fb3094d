"""Which clients break: by what those get before and after that ask without a version, or by a label that stays."""

from __future__ import annotations

import dataclasses
import shutil

import pytest
from support.memory.linear import Linear
from support.memory.project import NAME, VERSIONS, Project

import deployer
from deployer.errors import VerificationFailed
from deployer.results.launch import Launch, Rendered
from deployer.results.plan import Change
from deployer.results.served import ServedModel
from deployer.rollout.breaking_changes import (
    BreakingChange,
    IncomparableVersions,
    find_breaking_changes,
    signatures_of_lost_versions,
)
from deployer.rollout.launch import spec_serving
from deployer.rollout.workspace import open_workspace

OTHER = Linear(0.5, 2.0, input="other")
"""A version whose clients send another input."""
OLD = 1
DOCUMENT = "[models.m]\nversions = {versions}\n[models.m.labels]\n{labels}\n"


@pytest.fixture
def evolved(project: Project) -> Project:
    """Version 4 serves, which breaks the clients of 1 to 3; version 5 fits those of 4."""
    project.publish(4, linear=OTHER)
    project.publish(5, linear=OTHER)
    project.up(f"{NAME}:4")
    return project


def up(project: Project, versions: list[int], dry_run: bool = False, **labels: int) -> deployer.UpResult:
    lines = "\n".join(f"{label} = {version}" for label, version in labels.items())
    config = project.directory / "deployer.toml"
    config.write_text(DOCUMENT.format(versions=versions, labels=lines))
    return deployer.up(settings=project.settings(config=config), dry_run=dry_run)


def test_a_version_for_clients_of_its_own_breaks_nobody(evolved):
    evolved.label(canary=OLD)
    assert (evolved.served().versions, dict(evolved.served().labels)) == ((1, 4), {"canary": 1})
    evolved.label(canary=None)
    assert up(evolved, [2, 4], dry_run=True).plan.is_change
    up(evolved, [2, 4], second=2)
    assert evolved.served().versions == (2, 4)
    evolved.redeploy(5)
    assert evolved.served().versions == (2, 5)


@pytest.mark.parametrize("dry_run", [True, False])
def test_a_label_that_moves_breaks_those_who_ask_by_it(evolved, dry_run):
    evolved.label(stable=4, canary=4)
    settings = evolved.settings()
    before = evolved.observed()
    ways = (
        lambda: deployer.label(NAME, {"canary": OLD}, settings=settings, dry_run=dry_run),
        lambda: deployer.label(NAME, {"canary": OLD, "other": 2}, settings=settings, dry_run=dry_run),
        lambda: evolved.redeploy(OLD, dry_run=dry_run),
        lambda: up(evolved, [1, 4], dry_run, stable=1),
    )
    for way in ways:
        with pytest.raises(VerificationFailed) as refused:
            way()
        assert all(text in refused.value.message for text in ("label", f"{NAME}:4", f"{NAME}:1", "input other"))
        assert "--allow-breaking" in (refused.value.hint or "")
        assert f"deployer diff {NAME} 4 1" in (refused.value.hint or "")
    assert evolved.observed() == before


@pytest.mark.parametrize("running", [True, False])
def test_breaking_changes_name_what_serves_only_while_it_does(evolved, running):
    if not running:
        evolved.platform.all()[0].end()
    evolved.publish(6, linear=VERSIONS[1])
    with pytest.raises(VerificationFailed) as refused:
        evolved.redeploy()
    assert ("stays with what serves" in refused.value.hint, "starts what was" in refused.value.hint) == (
        running, not running,
    )  # fmt: skip
    assert ("what serves now" in refused.value.message) is running
    assert ("what was deployed last" in refused.value.message) is not running


def test_a_label_between_versions_that_are_loaded_breaks_those_who_ask_by_it(evolved):
    evolved.label(stable=4, canary=OLD)
    with pytest.raises(VerificationFailed):
        evolved.label(canary=4)
    with pytest.raises(VerificationFailed):
        evolved.label(stable=OLD)
    evolved.label(another=OLD)


def test_a_higher_version_takes_requests_without_a_version_whatever_its_label(serving):
    serving.publish(4, linear=OTHER)
    serving.label(stable=1)
    for way in (
        lambda: serving.label(canary=4),
        lambda: up(serving, [1, 4], stable=1),
        lambda: serving.redeploy(4, keep=True),
    ):
        with pytest.raises(VerificationFailed) as refused:
            way()
        assert "without a version" in refused.value.message
    serving.check(1, labels={"stable": 1})


@pytest.mark.parametrize("skip_gate", [True, False])
def test_a_rollback_names_what_clients_lose(evolved, skip_gate):
    evolved.redeploy(5)
    assert not lost(evolved.rollback(skip_gate=skip_gate))
    evolved.redeploy(3, allow_breaking=True)
    for dry_run in (True, False):
        (said,) = lost(evolved.rollback(dry_run=dry_run, skip_gate=skip_gate))
        assert all(text in said for text in ("serving_default", "input other", "input x", f"diff {NAME} 3 4"))
    assert evolved.served().versions == (4,)


@pytest.mark.parametrize("accept", ["allow_breaking", "skip_gate"])
def test_what_is_let_through_is_named(serving, accept):
    serving.publish(4, linear=OTHER)
    for dry_run in (True, False):
        (said,) = lost(serving.redeploy(4, dry_run=dry_run, **{accept: True}))
        assert "input other" in said
    assert not lost(serving.redeploy(4, **{accept: True}))


def lost(result: deployer.UpResult) -> list[str]:
    return [text for text in result.notices if "deployer diff" in text]


def replaced_in_store(project: Project, linear: Linear, version: int = 1) -> None:
    """The store has lost that version, and has another model under its number."""
    shutil.rmtree(project.store.root / NAME)
    project.publish(version, linear=linear)


@pytest.mark.parametrize("dry_run", [True, False])
@pytest.mark.parametrize("version", [1, 2])
def test_a_version_whose_files_were_replaced_is_compared_by_what_the_server_has(serving, version, dry_run):
    replaced_in_store(serving, OTHER)
    if version != 1:
        serving.publish(version, linear=OTHER)
    before = serving.observed()
    with pytest.raises(VerificationFailed) as refused:
        serving.up(f"{NAME}:{version}", dry_run=dry_run)
    assert "input other" in refused.value.message
    assert "--allow-breaking" in (refused.value.hint or "")
    assert serving.observed() == before
    (said,) = [text for text in serving.up(f"{NAME}:{version}", allow_breaking=True).notices if "input other" in text]
    assert f"{NAME}:1" in said


def test_other_files_with_the_same_signatures_break_nobody(serving):
    replaced_in_store(serving, VERSIONS[3])
    done = serving.up()
    assert done.plan.change is Change.REPLACE
    assert not [text for text in done.notices if "compare" in text]


@pytest.mark.parametrize("accept", [{}, {"allow_breaking": True}])
def test_what_neither_the_store_nor_the_server_tells_is_said(serving, accept):
    replaced_in_store(serving, OTHER)
    serving.platform.all()[0].end()
    for dry_run in (True, False):
        (said,) = [text for text in serving.up(dry_run=dry_run, **accept).notices if "compare" in text]
        assert f"{NAME}:1" in said
    assert not [text for text in serving.up(**accept).notices if "compare" in text]


def test_what_a_server_told_before_the_export_counts_where_it_tells_nothing_afterwards(serving):
    replaced_in_store(serving, OTHER)
    observed, new = serving.observed(), serving.store.get(NAME, 1)
    workspace = open_workspace(serving.settings())
    workspace = workspace.with_spec(spec_serving(workspace.spec, NAME, observed.models))
    asked = signatures_of_lost_versions(workspace)
    serving.platform.all()[0].end()
    wanted = (ServedModel(NAME, (1,), (), (new.digest,)),)
    launch = Launch(NAME, "local", "127.0.0.1", None, None, (), wanted, "/models", Rendered({}))
    found = [list(find_breaking_changes(workspace, launch, (new,), observed, declared=each)) for each in (asked, {})]
    assert [[type(each) for each in they] for they in found] == [
        [BreakingChange],
        [IncomparableVersions],
    ]


def test_a_version_that_only_the_store_of_the_deployment_has_is_compared_by_its_files_there(serving):
    copy = serving.directory / "copy"
    shutil.copytree(serving.store.root, copy)
    observed = dataclasses.replace(serving.observed(), store=copy)
    replaced_in_store(serving, OTHER, 2)
    serving.platform.all()[0].end()
    workspace, new = open_workspace(serving.settings()), serving.store.get(NAME, 2)
    wanted = (ServedModel(NAME, (2,), (), (new.digest,)),)
    launch = Launch(NAME, "local", "127.0.0.1", None, None, (), wanted, "/models", Rendered({}))
    (found,) = find_breaking_changes(workspace, launch, (new,), observed)
    assert isinstance(found, BreakingChange)
    assert not found.stored
