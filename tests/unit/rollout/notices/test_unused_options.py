"""Options that measure, limit and let through are never ignored without a note."""

from __future__ import annotations

import shutil
from functools import partial

import pytest
from support.memory.project import NAME, VERSIONS, Project

from deployer.config import variables
from deployer.config.options import DEFAULT_RATE, GateOptions
from deployer.results.changes import UpResult
from deployer.results.plan import Change
from deployer.results.steps import JudgeTraffic

TRAFFIC = {"measure": 50.0, "max_failures": 100000, "max_gap_ms": 600000.0}
OPTIONS = {"measure": "--measure", "max_failures": "--max-failures", "max_gap_ms": "--max-gap"}
WAIVED = {"skip_gate": "--skip-gate", "allow_breaking": "--allow-breaking"}
LIMITS = {**TRAFFIC, "max_slowdown": 1000.0}


def named(result: UpResult) -> set[str]:
    """The options that notices say are not used."""
    said = " ".join(text for text in result.notices if "not used" in text)
    return {option for option in (*OPTIONS.values(), "--max-slowdown", *WAIVED.values()) if option in said}


@pytest.mark.parametrize("dry_run", [True, False])
@pytest.mark.parametrize("option", OPTIONS)
def test_an_option_is_named_alone_where_nothing_serves_yet(project, option, dry_run):
    result = project.up(dry_run=dry_run, **{option: TRAFFIC[option]})
    assert (named(result), result.traffic) == ({OPTIONS[option]}, None)
    assert "nothing serves yet" in " ".join(result.notices)


def test_all_are_named_where_nothing_changes_and_where_the_server_was_not_running(serving):
    everything = {*OPTIONS.values(), "--max-slowdown"}
    for change in (Change.NOTHING, Change.CREATE):
        for dry_run in (True, False):
            result = serving.up(dry_run=dry_run, **LIMITS)
            assert (result.plan.change, named(result), result.traffic) == (change, everything, None)
            assert not any(isinstance(step, JudgeTraffic) for step in result.plan.all_steps)
        serving.platform.all()[0].end()


@pytest.mark.parametrize("dry_run", [True, False])
@pytest.mark.parametrize("given", [("skip_gate",), ("allow_breaking",), ("skip_gate", "allow_breaking")])
def test_what_lets_a_change_through_is_named_where_nothing_changes(serving, given, dry_run):
    waived = dict.fromkeys(given, True)
    assert named(serving.up(dry_run=dry_run, **waived)) == {WAIVED[each] for each in given}
    assert not named(serving.redeploy(2, dry_run=dry_run, **waived))


def test_a_slowdown_is_named_where_no_version_is_new(serving):
    slow = {"max_slowdown": 1000.0}
    assert not named(serving.redeploy(2, keep=True, dry_run=True, **slow))
    assert named(serving.redeploy(2, keep=True, skip_gate=True, **slow)) == {"--max-slowdown"}
    for dry_run in (True, False):
        assert named(serving.redeploy(1, dry_run=dry_run, **slow)) == {"--max-slowdown"}


def test_where_it_is_measured_no_option_is_named(serving):
    assert not named(serving.redeploy(2, dry_run=True, **LIMITS))
    result = serving.redeploy(2, **LIMITS)
    assert not named(result)
    assert result.traffic is not None


def test_a_model_without_golden_questions_measures_nothing(serving):
    serving.publish(4, linear=VERSIONS[1], golden_set=False)
    serving.redeploy(4, skip_gate=True)
    serving.publish(5, linear=VERSIONS[1], golden_set=False)
    for dry_run in (True, False):
        result = serving.redeploy(5, dry_run=dry_run, skip_gate=True, measure=50.0)
        assert (named(result), result.traffic) == ({"--measure"}, None)


def test_what_the_document_says_is_meant_for_changes_to_come(project):
    config = project.directory / "deployer.toml"
    config.write_text("[gate]\nmeasure = 50.0\nmax_slowdown = 1000.0\n")
    assert not named(project.up(config=config))


def test_answers_of_other_files_under_the_same_number_are_not_measured(serving):
    """The running server is not judged by the golden answers of the version that takes its place."""
    shutil.rmtree(serving.store.root / NAME)
    serving.publish(1, linear=VERSIONS[3])
    result = serving.up(measure=50.0, max_failures=0)
    assert (result.plan.change, result.traffic) == (Change.REPLACE, None)
    assert "--measure" in named(result)


@pytest.mark.parametrize("given", [{"max_gap_ms": 5000.0}, {"max_failures": 0}, {"measure": 7.0, "max_failures": 0}])
def test_a_plan_names_the_rate_of_the_requests_that_a_limit_causes(serving, given):
    rate = given.get("measure", DEFAULT_RATE)
    step = judged(serving, **given)
    assert f"{rate:g} requests a second" in step.cause


def judged(serving: Project, **given: object) -> JudgeTraffic:
    (step,) = (each for each in serving.redeploy(2, dry_run=True, **given).plan.steps if isinstance(each, JudgeTraffic))
    return step


@pytest.mark.parametrize(
    ("given", "limits"),
    [({"measure": 50.0}, ()), ({"max_failures": 3}, ("3 failures",)), ({"max_gap_ms": 200.0}, ("200 ms",)),
     ({"measure": 7.0, "max_failures": 0, "max_gap_ms": 5.0}, ("0 failures", "5 ms"))],
)  # fmt: skip
def test_a_plan_names_the_limits_that_are_set_and_no_others(serving, given, limits):
    action = judged(serving, **given).action
    assert [each for each in ("3 failures", "0 failures", "200 ms", "5 ms") if each in action] == [*limits]
    assert ("check" in action) is bool(limits)


@pytest.mark.parametrize("name", ["measure", "max_failures", "max_gap_ms"])
def test_the_help_of_measuring_and_of_its_limits_names_the_default_rate(name):
    assert f"{DEFAULT_RATE:g}" in GateOptions.__dataclass_fields__[name].metadata["doc"]


CONTAINER_VALUES = {
    "host": "unix:///no.sock", "image": "server:1", "platform": "linux/amd64", "user": "1:1", "restart": "no",
    "gpus": "0", "memory": "64m", "shm_size": "64m",
}  # fmt: skip


@pytest.mark.parametrize("key", [key for key in variables.settable_keys() if key.startswith("docker.")])
def test_a_variable_for_containers_is_named_on_an_engine_without_any(project, monkeypatch, key):
    variable = f"DEPLOYER_{key.replace('.', '_').upper()}"
    monkeypatch.setenv(variable, CONTAINER_VALUES.get(key.removeprefix("docker."), "7"))
    for change in (partial(project.up, dry_run=True), project.up, project.up, partial(project.redeploy, 2)):
        said = [text for text in change(engine="embedded").notices if "not used" in text]
        assert said == [f"{variable} is not used: its servers run in no container"]
