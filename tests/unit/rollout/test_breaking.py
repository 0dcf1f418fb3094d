"""Which clients break: by what those get before and after that ask without a version, or by a label that stays."""

from __future__ import annotations

import pytest
from support.memory.linear import Linear
from support.memory.project import NAME, Project

import deployer
from deployer.errors import VerificationFailed

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
    config = project.folder / "deployer.toml"
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
