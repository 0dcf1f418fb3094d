"""Changes of the models of a running server: proven on a candidate, then loaded; taken back when they fail."""

from __future__ import annotations

import re
import shutil

import pytest
from support.memory.linear import Linear, publish
from support.memory.project import ANSWERS, NAME, VERSIONS, Project

import deployer
from deployer.errors import (
    BrokenModel,
    DeployFailed,
    EngineError,
    InsufficientMemory,
    ModelError,
    ModelNotFound,
    NoSuchRelease,
    NotReady,
    UsageError,
    VerificationFailed,
)
from deployer.results.deployment import Memory
from deployer.results.plan import Change
from deployer.results.steps import LoadVersions
from deployer.rollout.ledger import LEDGER_FILE
from deployer.store.store import Store

BREAKING = Linear(0.5, 2.0, input="other")


def test_the_same_server_takes_up_the_newest_version(serving):
    release = serving.observed().release
    result = serving.redeploy()
    assert (result.plan.change, serving.observed().release) == (Change.RELOAD, release)
    assert result.report.ok
    serving.check(3)
    assert serving.platform.done["stage"] == serving.platform.done["discard"] == 1
    assert serving.outcomes() == ["succeeded", "succeeded"]


def test_the_candidate_is_gone_when_the_change_is_done_whatever_memory_there_is(serving):
    for free in (8 * 2**30, 200 * 2**20, None):
        serving.platform.memory = Memory(used=100 * 2**20, free=free)
        to = 2 if serving.served().versions == (1,) else 1
        serving.redeploy(to)
        serving.check(to)


def test_a_version_that_is_named_is_served_and_then_nothing_is_to_do(serving):
    serving.redeploy(2)
    serving.check(2)
    assert serving.redeploy(2).plan.change is Change.NOTHING
    with pytest.raises(ModelNotFound):
        serving.redeploy(9)
    serving.check(2)


def test_the_previous_version_may_stay_and_is_gone_back_to_without_a_candidate(serving):
    serving.redeploy(2, keep=True)
    serving.check(1, 2)
    serving.platform.done.clear()
    serving.rollback()
    serving.check(1)
    assert serving.platform.done["stage"] == 0
    with pytest.raises(UsageError):
        serving.redeploy(2, keep=True) and serving.redeploy(1, keep=True)


def test_labels_are_moved_once_the_version_is_loaded(serving):
    serving.label(stable=1, canary=2)
    serving.check(1, 2, labels={"stable": 1, "canary": 2})
    serving.redeploy(3)
    serving.check(2, 3, labels={"stable": 3, "canary": 2})
    serving.label(canary=None)
    serving.check(3, labels={"stable": 3})


@pytest.mark.parametrize("labels", [{}, {"stable": 1, "canary": 2}])
def test_a_label_that_is_not_there_cannot_be_taken_away(serving, labels):
    if labels:
        serving.label(**labels)
    before = serving.observed()
    with pytest.raises(UsageError) as refused:
        serving.label(canry=None)
    assert all(f"{label}={version}" in refused.value.message for label, version in labels.items())
    assert ("canary" in (refused.value.hint or "")) is bool(labels)
    assert serving.observed() == before


@pytest.mark.parametrize("dry_run", [True, False])
def test_a_redeploy_says_which_version_it_took_where_others_were_passed_over(serving, dry_run):
    (text,) = [text for text in serving.redeploy(dry_run=dry_run).notices if "--version" in text]
    assert f"{NAME}:3" in text
    assert "2 passed over" in text
    for version in (2, None, None):
        assert not [text for text in serving.redeploy(version).notices if "--version" in text]


def test_a_rollback_says_which_release_it_goes_back_to(serving):
    serving.redeploy(2)
    serving.redeploy(3)
    numbers = [release.number for release in serving.history()]
    for to, number, version in ((None, numbers[1], 2), (numbers[2], numbers[2], 1)):
        for dry_run in (True, False):
            said = " ".join(serving.rollback(to, dry_run=dry_run).notices)
            assert f"release {number} ({NAME}:{version})" in said


@pytest.mark.parametrize("fault", ["wrong", "broken", "slow"])
def test_a_version_that_does_not_pass_never_reaches_the_server(serving, fault):
    getattr(serving.platform.faults, fault).add((NAME, 2))
    with pytest.raises(VerificationFailed if fault == "wrong" else NotReady):
        serving.redeploy(2, timeout=0.5)
    serving.check(1)
    assert serving.platform.done["write_config"] == 0
    assert serving.outcomes() == ["failed", "succeeded"]


def test_what_answers_otherwise_once_it_serves_is_taken_back(serving):
    serving.platform.faults.changed.add((NAME, 2))
    with pytest.raises(DeployFailed):
        serving.redeploy(2)
    serving.check(1)
    assert serving.outcomes() == ["failed", "succeeded"]


@pytest.mark.parametrize("moment", ["stage", "discard", "write_config", "mark_serving"])
@pytest.mark.parametrize("error", [EngineError("full"), KeyboardInterrupt()], ids=["engine error", "interrupt"])
def test_whatever_fails_the_version_before_serves(serving, moment, error):
    def fail() -> None:
        del serving.platform.on[moment]
        raise error

    serving.platform.on[moment] = fail
    with pytest.raises(type(error) if moment == "stage" or not isinstance(error, EngineError) else DeployFailed):
        serving.redeploy(2)
    if moment == "discard":  # the candidate that could not be removed is swept
        serving.redeploy(1)
    serving.check(1)


def test_a_server_that_refuses_its_new_config_serves_what_it_served(serving):
    serving.platform.faults.reload = "no"
    with pytest.raises(DeployFailed) as refused:
        serving.redeploy(2)
    assert refused.value.exit_code == 1
    serving.check(1)


def test_what_breaks_clients_is_refused_before_anything_is_started(serving):
    serving.publish(4, linear=BREAKING)
    with pytest.raises(VerificationFailed):
        serving.redeploy(4)
    assert serving.platform.done["stage"] == 0
    serving.check(1)
    serving.redeploy(4, allow_breaking=True)
    assert serving.served().versions == (4,)


def test_a_change_for_which_there_is_no_memory_is_refused_before_anything_is_started(serving):
    serving.platform.memory = Memory(used=2**30, free=2**20)
    with pytest.raises(InsufficientMemory):
        serving.redeploy(2)
    assert serving.platform.done["stage"] == 0
    serving.check(1)


def test_a_version_that_has_left_the_store_is_never_named_to_the_server(serving):
    """A server that is told of a version that is not there unloads what it has."""
    serving.redeploy(2, keep=True)
    serving.store.remove(NAME, 1)
    with pytest.raises(ModelNotFound):
        serving.label(stable=2)
    assert serving.answer() == ANSWERS[2]


def test_files_that_changed_in_place_are_no_way_back(serving):
    serving.redeploy(2)
    (serving.store.root / NAME / "1" / "saved_model.pb").write_bytes(b"\x0a")
    with pytest.raises(BrokenModel):
        serving.rollback()
    serving.check(2)


def damage(project: Project, version: int) -> None:
    (project.store.root / NAME / str(version) / "saved_model.pb").write_bytes(b"\x0a")


def lose(project: Project, version: int) -> None:
    shutil.rmtree(project.store.root / NAME / str(version))


def replace(project: Project, version: int) -> None:
    lose(project, version)
    project.publish(version, linear=VERSIONS[3], source="third.py:model")


@pytest.mark.parametrize(("happens", "named"), [(damage, "first.py:model"), (lose, "SOURCE"), (replace, "SOURCE")])
def test_the_way_back_names_the_source_of_the_version_that_is_meant(project, happens, named):
    lose(project, 1)
    project.publish(1, source="first.py:model")
    project.publish(4, linear=VERSIONS[3], source="fourth.py:model")
    project.up()
    project.redeploy(2)
    happens(project, 1)
    with pytest.raises(ModelError) as refused:
        project.rollback()
    assert re.search(rf"deployer up {named} --name {NAME} .*--force", refused.value.hint or "")


def test_rollback_goes_back_to_the_last_good_release_with_other_models(serving):
    serving.redeploy(2)
    serving.platform.faults.wrong.add((NAME, 3))
    with pytest.raises(VerificationFailed):
        serving.redeploy(3)
    result = serving.rollback()
    serving.check(1)
    assert result.plan.change is Change.RELOAD
    first = serving.history()[-1].number
    assert serving.rollback(to=first).plan.change is Change.NOTHING
    with pytest.raises(NoSuchRelease):
        serving.rollback(to=99)
    assert serving.outcomes() == ["succeeded", "failed", "succeeded", "succeeded"]


def test_rollback_goes_through_the_gate_as_well(serving):
    serving.redeploy(2)
    serving.platform.faults.wrong.add((NAME, 1))
    with pytest.raises(VerificationFailed):
        serving.rollback()
    serving.check(2)


def test_rollback_does_not_mind_signatures(project):
    project.publish(4, linear=BREAKING)
    project.up()
    project.redeploy(4, allow_breaking=True)
    project.rollback()
    project.check(1)


def test_dry_runs_touch_nothing(serving):
    serving.redeploy(2)
    serving.platform.done.clear()
    assert serving.redeploy(3, dry_run=True).plan.change is Change.RELOAD
    assert serving.rollback(dry_run=True).plan.change is Change.RELOAD
    assert serving.platform.done == {}
    serving.check(2)


def test_up_makes_a_version_of_another_model_serve_beside_it(project: Project) -> None:
    project.publish(1, name="second", linear=Linear(2.0, 0.0))
    (project.directory / "deployer.toml").write_text('name = "m"\n[models.m]\nversions = [1]\n[models.second]\n')
    project.up(None)
    assert [model.name for model in project.observed().models] == ["m", "second"]
    assert {check.model for check in project.up(None).report.checks} == {"m:1", "second:1"}
    assert [model.versions for model in project.observed().models] == [(1,), (1,)]


def test_rollback_without_a_history_names_the_versions_that_the_store_has(serving):
    (serving.state_dir / LEDGER_FILE).unlink()
    with pytest.raises(NoSuchRelease) as refused:
        serving.rollback()
    command = re.match(r"deployer redeploy (\S+) .*--version (\d+)", refused.value.hint)
    assert command, refused.value.hint
    assert command[1] == NAME
    assert int(command[2]) in serving.store.versions(NAME)


def hint_of_a_rollback(project: Project, to: int | None = None) -> str:
    with pytest.raises(NoSuchRelease) as refused:
        project.rollback(to=to)
    return refused.value.hint or ""


def test_rollback_without_a_release_of_other_models_names_the_command_for_another_version(serving):
    (serving.directory / "deployer.toml").write_text("[server.flags]\nrest_api_timeout_in_ms = 9000\n")
    assert serving.up(f"{NAME}:1").plan.change is Change.REPLACE
    assert len({release.models for release in serving.history()}) == 1
    hint = hint_of_a_rollback(serving)
    assert f"each release has {NAME}:1" in hint
    command = re.search(r"deployer redeploy (\S+) .*--version (\d+)", hint)
    assert command, hint
    assert int(command[2]) in {2, 3}


def test_rollback_to_a_release_that_does_not_exist_names_the_command_for_one_that_does(serving):
    serving.redeploy(2)
    hint = hint_of_a_rollback(serving, to=99)
    command = re.match(rf"deployer rollback {NAME} .*--to (\d+)", hint)
    assert command, hint
    serving.rollback(to=int(command[1]))
    serving.check(1)


@pytest.mark.parametrize("lost", [True, False])
def test_a_plan_counts_on_the_version_that_is_exported_first(serving, lost):
    source = publish(Store(serving.directory / "elsewhere"), NAME, VERSIONS[2], 4)
    if lost:
        shutil.rmtree(serving.store.root)
    plan = deployer.up(
        str(source.path), options=deployer.ExportOptions(name=NAME), settings=serving.settings(), dry_run=True
    ).plan
    loaded = [step.models for step in plan.all_steps if isinstance(step, LoadVersions)]
    assert [[model.versions for model in models] for models in loaded] == ([] if lost else [[(1, 4)]])
