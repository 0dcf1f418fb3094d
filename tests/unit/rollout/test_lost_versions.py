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
from deployer.results.steps import Export
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


PINNED = {
    "versions": ("versions = [1, 2]", ["versions"]),
    "labels": ("labels = { stable = 2 }", ["labels"]),
    "both": ("versions = [2]\nlabels = { stable = 2 }", ["versions", "labels"]),
    "the next version": ("versions = [3]", []),
}


@pytest.mark.parametrize(("lines", "keys"), PINNED.values(), ids=PINNED)
def test_keys_that_list_lost_versions_are_to_be_changed_before_up(served, lines, keys):
    source = publish(Store(served.directory / "elsewhere"), NAME, VERSIONS[3], 1).path
    shutil.rmtree(served.store.root)
    (served.directory / "deployer.toml").write_text(f'[models.{NAME}]\nsource = "{source}"\n{lines}\n')
    hints = [refused(served, verb) for verb in ("redeploy", "smoke", "predict", "rollback")]
    if keys == ["versions"]:
        for dry_run in (False, True):
            with pytest.raises(DeployerError) as error:
                served.up(None, dry_run=dry_run)
            hints.append(error.value.hint or "")
    for hint in hints:
        named = [key for key in ("versions", "labels") if f"models.{NAME}.{key}" in hint]
        assert (named, "write 3" in hint) == (keys, bool(keys)), hint
        assert "deployer up --project unit" in hint


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


def test_where_the_store_of_a_deployment_was_lost_that_one_is_named(served):
    other = dataclasses.replace(served.settings(), models_dir=served.directory / "elsewhere")
    shutil.rmtree(served.store.root)
    for call in (deployer.redeploy, deployer.rollback, deployer.predict, deployer.smoke_test):
        with pytest.raises(DeployerError) as error:
            call(NAME, settings=other)
        assert f"put {served.store.root / NAME} back" in error.value.hint, call
        assert f"--models-dir {served.store.root} exports" in error.value.hint, call
        assert "elsewhere" not in error.value.hint, call


@pytest.mark.parametrize("damage", ["lost", "lost version", "damaged"])
def test_no_other_version_is_suggested_where_another_model_is_at_fault(project, damage):
    project.publish(1, "other")
    (project.directory / "deployer.toml").write_text(
        f'name = "duo"\n[models.{NAME}]\nversions = [1]\n[models.other]\nversions = [1]\n'
    )
    project.up(None)
    version = project.store.root / "other" / "1"
    if damage == "damaged":
        (version / "saved_model.pb").write_bytes(b"")
    else:
        shutil.rmtree(version if damage == "lost version" else version.parent)
    for dry_run in (True, False) if damage != "damaged" else (False,):
        with pytest.raises(DeployerError) as error:
            deployer.redeploy("duo", model=NAME, settings=project.settings(), dry_run=dry_run)
        assert "other" in f"{error.value}"
        assert "--version" not in (error.value.hint or "")


@pytest.mark.parametrize("lost", ["a version", "the whole model", "nothing"])
def test_a_plan_says_that_a_version_without_files_is_answered_with_404(served, lost):
    if lost != "nothing":
        shutil.rmtree(served.store.root / NAME / ("2" if lost == "a version" else ""))
    source = publish(Store(served.directory / "elsewhere"), NAME, VERSIONS[3], 1).path
    options = deployer.ExportOptions(name=NAME)
    notices = deployer.up(str(source), options=options, settings=served.settings(), dry_run=True).notices
    said = any(f"{NAME}:2 has no files any more: {NAME} [local]" in text for text in notices)
    assert said is (lost == "a version"), notices
