"""What a change says of what it takes back: labels, what deployer.toml says, what an earlier command did."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from support.memory.linear import publish, write
from support.memory.project import NAME, VERSIONS, Project

import deployer
from deployer import export as exporter
from deployer.results.model import Model
from deployer.rollout.export_options import ExportOptions


def document(project: Project, *lines: str) -> None:
    (project.directory / "deployer.toml").write_text("\n".join((f"[models.{NAME}]", *lines)))


def said(result: Any, *words: str) -> list[str]:
    """The notices that have all these words."""
    return [text for text in result.notices if all(word in text for word in words)]


@pytest.fixture
def labelled(serving: Project) -> Project:
    serving.label(stable=1, canary=2)
    return serving


@pytest.mark.parametrize("dry_run", [True, False])
def test_every_label_that_up_takes_away_is_said(labelled, dry_run):
    done = labelled.up(f"{NAME}:2", dry_run=dry_run)
    (stable,) = said(done, "label stable", f"{NAME}:1")
    (canary,) = said(done, "label canary", f"{NAME}:2")
    assert ("not served any more" in stable, "not served any more" in canary) == (True, False)


def test_a_model_that_goes_takes_its_labels_along_and_that_is_said(labelled):
    labelled.publish(1, name="other")
    (labelled.directory / "deployer.toml").write_text(f'name = "{NAME}"\n[models.other]\n')
    assert len(said(labelled.up(None, dry_run=True), "label", f"{NAME}:", "not served any more")) == 2


@pytest.mark.parametrize("dry_run", [True, False])
def test_a_label_that_redeploy_moves_along_with_stable_is_said(serving, dry_run):
    serving.label(stable=1, prod=1, canary=2)
    done = serving.redeploy(3, dry_run=dry_run)
    prod, stable = said(done, "label")
    assert all(each in prod for each in ("label prod", f"{NAME}:1", f"{NAME}:3", "not served any more"))
    assert all(each in stable for each in ("label stable", f"{NAME}:1", f"{NAME}:3", "not served any more"))


def test_label_and_rollback_ask_for_what_they_take_away(labelled):
    assert said(labelled.label(canary=None, stable=2), "label canary") == []
    assert said(labelled.rollback(), "label canary") == said(labelled.rollback(), "label stable") == []


CHANGES: dict[str, Callable[[Project], Any]] = {
    "redeploy": lambda project: project.redeploy(2),
    "label": lambda project: project.label(canary=2),
    "rollback": lambda project: project.rollback(),
}


@pytest.mark.parametrize("verb", CHANGES)
def test_what_deployer_toml_contradicts_is_said(serving, verb):
    if verb == "rollback":
        serving.redeploy(2)
        document(serving, "versions = [2]")
    else:
        document(serving, "versions = [1]")
    (text,) = said(CHANGES[verb](serving), "deployer.toml", "versions = ")
    assert "`deployer up --project" in text
    assert f"--state-dir {serving.state_dir}" in text


SOURCE = 'source = "trained"'


def exported(project: Project, version: int) -> Model:
    """Make a SavedModel directory, and that version of it in the store."""
    write(project.directory / "trained", VERSIONS[version])
    origin = exporter.identify(ExportOptions().request("trained"))
    return publish(project.store, NAME, VERSIONS[version], version + 10, source=origin)


@pytest.mark.parametrize("verb", ["redeploy", "label"])
def test_a_source_that_the_next_up_goes_back_to_is_said(serving, verb):
    model = exported(serving, 1)
    document(serving, SOURCE)
    (text,) = said(CHANGES[verb](serving), "deployer.toml", "source = trained")
    assert f"{NAME}:{model.version}" in text
    assert "`deployer up --project" in text


def test_labels_that_the_next_up_of_a_source_removes_are_said(serving):
    model = exported(serving, 1)
    serving.up(f"{NAME}:{model.version}")
    document(serving, SOURCE)
    assert said(serving.label(stable=model.version), "deployer.toml", "source = trained", "without labels")


def test_a_source_whose_version_serves_is_not_said(serving):
    exported(serving, 1)
    document(serving, SOURCE)
    assert said(serving.redeploy(), "deployer.toml") == []


def test_a_source_that_the_next_up_exports_anew_is_said(serving):
    write(serving.directory / "trained", VERSIONS[3])
    document(serving, SOURCE)
    assert said(serving.redeploy(2), "deployer.toml", "source = trained")


@pytest.mark.parametrize("lines", [(), ("versions = [2]",), ("labels = { }",)])
def test_what_deployer_toml_says_too_or_leaves_open_is_not_said(serving, lines):
    document(serving, *lines)
    assert said(serving.redeploy(2), "deployer.toml") == []


def test_labels_that_deployer_toml_has_otherwise_are_said(serving):
    document(serving, "versions = [1, 2]", "labels = { stable = 1, canary = 2 }")
    serving.up(None)
    (text,) = said(serving.label(canary=1), "deployer.toml")
    assert "labels = { stable = 1, canary = 2 }" in text
    assert said(serving.label(canary=2), "deployer.toml") == []


@pytest.mark.parametrize("verb", ["redeploy", "label"])
@pytest.mark.parametrize("dry_run", [True, False])
def test_up_says_that_it_takes_back_what_another_command_did(serving, verb, dry_run):
    CHANGES[verb](serving)
    number = serving.history()[0].number
    document(serving, "versions = [1]")
    (text,) = said(serving.up(None, dry_run=dry_run), f"release {number} ", verb)
    assert str(serving.served()) in text or not dry_run
    if not dry_run:
        assert said(serving.up(None), f"release {number} ") == []


BACK: dict[str, tuple[Callable[[Project], Any], str]] = {
    "redeploy": (lambda project: project.redeploy(1), ""),
    "label": (lambda project: project.label(stable=1), "labels = { stable = 2 }"),
}


@pytest.mark.parametrize("verb", BACK)
@pytest.mark.parametrize("dry_run", [True, False])
def test_up_says_that_it_goes_forward_from_a_version_that_another_command_went_back_to(serving, verb, dry_run):
    back, labels = BACK[verb]
    document(serving, "versions = [2]", labels)
    serving.up(None)
    back(serving)
    before = str(serving.served())
    number = serving.history()[0].number
    (text,) = said(serving.up(None, dry_run=dry_run), f"release {number} ", verb)
    assert before in text
    if not dry_run:
        assert said(serving.up(None), f"release {number} ") == []


def test_up_that_goes_on_from_a_redeploy_takes_nothing_back(serving):
    serving.redeploy(2)
    assert said(serving.up(f"{NAME}:3"), "release") == []


def test_the_history_says_which_command_it_was(labelled):
    labelled.redeploy(3, skip_gate=True)
    deployer.up(f"{NAME}:3", settings=labelled.settings())
    assert [each.detail for each in labelled.history()][:4] == ["", "redeploy; the gate was skipped", "label", ""]


FORWARD: dict[str, Callable[[Project, bool], Any]] = {
    "redeploy": lambda project, dry_run: project.redeploy(3, dry_run=dry_run),
    "up": lambda project, dry_run: project.up(f"{NAME}:3", dry_run=dry_run),
    "up to the one that requests without a version get": lambda project, dry_run: project.up(
        f"{NAME}:2", dry_run=dry_run
    ),
    "label": lambda project, dry_run: deployer.label(NAME, {"canary": 3}, settings=project.settings(), dry_run=dry_run),
}


@pytest.mark.parametrize("verb", FORWARD)
@pytest.mark.parametrize("dry_run", [True, False])
def test_after_a_rollback_to_labels_the_version_of_requests_without_one_is_said(labelled, verb, dry_run):
    labelled.redeploy(3)
    labelled.rollback()
    labelled.check(1, 2, labels={"stable": 1, "canary": 2})
    (text,) = said(FORWARD[verb](labelled, dry_run), "rollback")
    assert f"{NAME}: 1 (stable), 2 (canary)" in text
    assert f"requests without a version get {NAME}:2" in text


def test_after_a_rollback_to_one_version_it_is_enough_to_name_that(serving):
    serving.redeploy(2)
    serving.rollback()
    (text,) = said(serving.redeploy(3), "rollback")
    assert (f"{NAME}:1" in text, f"{NAME}:3" in text, "requests" in text) == (True, True, False)


@pytest.fixture
def duo(project: Project) -> Project:
    """Three releases of two models: the second changed `m`, and the rollback changed it back."""
    for version in (1, 2):
        project.publish(version, "other")
    list_versions(project, 1, 1)
    deploy(project)
    list_versions(project, 2, 1)
    deploy(project)
    deployer.rollback("duo", settings=project.settings())
    return project


def list_versions(project: Project, version: int, other: int) -> None:
    models = f"[models.{NAME}]\nversions = [{version}]\n[models.other]\nversions = [{other}]\n"
    (project.directory / "deployer.toml").write_text(f'name = "duo"\n{models}')


def deploy(project: Project, *, dry_run: bool = False) -> Any:
    return deployer.up(settings=project.settings(), dry_run=dry_run)


@pytest.mark.parametrize("dry_run", [True, False])
def test_of_a_rollback_only_the_models_are_said_that_it_changed(duo, dry_run):
    list_versions(duo, 2, 2)
    (text,) = said(deploy(duo, dry_run=dry_run), "release 3 ", "rollback")
    assert f"{NAME}:2" in text


def test_a_rollback_is_said_after_a_redeploy_of_another_model_and_not_after_up(duo):
    deployer.redeploy("duo", model="other", version=2, settings=duo.settings())
    list_versions(duo, 2, 1)
    done = deploy(duo, dry_run=True)
    (m,), (other,) = said(done, "release 3 ", "rollback"), said(done, "release 4 ", "redeploy")
    assert (f"{NAME}:2" in m, "other:1" in other) == (True, True)
    list_versions(duo, 1, 1)
    deploy(duo)
    list_versions(duo, 2, 1)
    assert said(deploy(duo, dry_run=True), "release ") == []


@pytest.mark.parametrize("dry_run", [True, False])
def test_up_says_that_it_goes_further_back_than_a_rollback(serving, dry_run):
    serving.publish(4, linear=VERSIONS[1])
    document(serving, "versions = [1, 2]", "labels = { stable = 1, canary = 2 }")
    serving.up(None)
    serving.redeploy(3, keep=True)
    serving.redeploy(4)
    serving.rollback()
    number = serving.history()[0].number
    (text,) = said(serving.up(None, dry_run=dry_run), f"release {number} ", "rollback")
    assert "3 (stable)" in text
