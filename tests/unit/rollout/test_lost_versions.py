"""The store has lost what is served: every verb that needs it has the same hint."""

from __future__ import annotations

import dataclasses
import shutil
from collections.abc import Callable

import pytest
from support.memory.linear import publish
from support.memory.project import NAME, VERSIONS, Project

import deployer
from deployer.errors import DeployerError
from deployer.results.plan import Export
from deployer.store.store import Store

VERBS: dict[str, Callable[[Project], object]] = {
    "redeploy": lambda project: project.redeploy(),
    "redeploy to the lost version": lambda project: project.redeploy(2),
    "up NAME": lambda project: project.up(NAME),
    "up NAME:VERSION": lambda project: project.up(f"{NAME}:2"),
    "plan": lambda project: project.up(NAME, dry_run=True),
    "label": lambda project: project.label(canary=2),
    "rollback": lambda project: project.rollback(),
    "predict": lambda project: deployer.predict(NAME, settings=project.settings()),
    "inspect NAME": lambda project: deployer.inspect(NAME, settings=project.settings()),
    "inspect NAME:VERSION": lambda project: deployer.inspect(f"{NAME}:2", settings=project.settings()),
    "smoke": lambda project: deployer.smoke_test(NAME, settings=project.settings()),
    "versions": lambda project: deployer.versions(NAME, settings=project.settings()),
}
OF_THE_VERSION = ("up NAME:VERSION", "label", "predict", "inspect NAME:VERSION", "smoke")
"""Those that need the very version that is served."""


def refused(project: Project, verb: str) -> str:
    with pytest.raises(DeployerError) as error:
        VERBS[verb](project)
    return error.value.hint or ""


@pytest.fixture
def served(serving: Project) -> Project:
    """Version 2 serves, after version 1."""
    serving.redeploy(2)
    return serving


def test_every_verb_has_the_same_hint_when_all_is_lost(served):
    shutil.rmtree(served.store.root)
    hints = {verb: refused(served, verb) for verb in VERBS}
    hint = hints["redeploy"]
    assert f"deployer up SOURCE --name {NAME} --project unit" in hint
    assert str(served.store.root / NAME) in hint
    assert {verb: text.endswith(hint) for verb, text in hints.items()} == dict.fromkeys(VERBS, True)


def test_a_source_of_that_name_is_named(served):
    shutil.rmtree(served.store.root)
    (served.directory / "other.keras").touch()
    (served.directory / f"{NAME}.keras").touch()
    for verb in VERBS:
        assert f"deployer up {NAME}.keras --name {NAME}" in refused(served, verb)


def test_a_source_of_the_document_is_exported_by_up_alone(served):
    shutil.rmtree(served.store.root)
    (served.directory / "deployer.toml").write_text(f'[models.{NAME}]\nsource = "trained.keras"\n')
    for verb in VERBS:
        assert "deployer up --project unit" in refused(served, verb)


def test_where_one_version_is_lost_its_directory_is_named(served):
    shutil.rmtree(served.store.root / NAME / "2")
    hints = {verb: refused(served, verb) for verb in OF_THE_VERSION}
    assert all(str(served.store.root / NAME / "2") in hint for hint in hints.values())
    served.rollback()
    served.check(1)


def test_where_another_store_was_left_out_its_option_is_named(served):
    other = dataclasses.replace(served.settings(), models_dir=served.directory / "elsewhere")
    for call in (deployer.redeploy, deployer.rollback, deployer.predict, deployer.smoke_test):
        with pytest.raises(DeployerError) as error:
            call(NAME, settings=other)
        assert error.value.hint.endswith(f"--models-dir {served.store.root}"), call


def test_a_version_that_never_was_is_not_lost(served):
    with pytest.raises(DeployerError) as error:
        served.redeploy(9)
    assert error.value.hint == f"deployer versions {NAME} --models-dir {served.store.root}"


@pytest.mark.parametrize("lost", ["all", "the one that is served", "nothing"])
def test_an_export_gets_no_number_that_a_server_has(served, lost):
    source = publish(Store(served.directory / "elsewhere"), NAME, VERSIONS[3], 1).path
    shutil.rmtree(served.store.root / NAME / "3")
    if lost != "nothing":
        shutil.rmtree(served.store.root if lost == "all" else served.store.root / NAME / "2")
    options = deployer.ExportOptions(name=NAME)
    plan = deployer.up(str(source), options=options, settings=served.settings(), dry_run=True).plan
    assert [step.version for step in plan.steps if isinstance(step, Export)] == [3]
