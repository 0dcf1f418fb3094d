"""`up` of what is not deployed: a candidate, the gate, promotion; and nothing at all when one of them fails."""

from __future__ import annotations

import pytest
from support.memory.linear import Linear
from support.memory.project import NAME, Project
from support.world import free_port

import deployer
from deployer.errors import (
    DeployerError,
    EngineError,
    LockHeld,
    ModelNotFound,
    NotReady,
    PlanOutdated,
    VerificationFailed,
)
from deployer.results.plan import Change


def assert_nothing_is_left(project: Project) -> None:
    assert project.platform.all() == []
    assert project.engine.inventory.names() == ()


def test_a_version_of_the_store_is_proven_and_serves(project):
    result = project.up()
    project.check(1)
    assert (result.name, result.env, result.plan.change, result.endpoints) == (
        NAME, "local", Change.CREATE, project.observed().endpoints,
    )  # fmt: skip
    assert result.report.ok
    assert {"status", "signatures", "parity REST", "parity gRPC"} <= {check.name for check in result.report.checks}
    assert project.outcomes() == ["succeeded"]


def test_the_newest_is_taken_where_none_is_named(project):
    project.up(NAME)
    project.check(3)


def test_ports_that_were_asked_for_are_taken(project):
    rest, grpc = free_port(), free_port()
    project.up(rest_port=rest, grpc_port=grpc)
    assert (project.observed().rest_port, project.observed().grpc_port) == (rest, grpc)
    project.check(1)


def test_a_second_time_nothing_changes_and_nothing_is_noted(project):
    first = project.up()
    release = project.observed().release
    again = project.up()
    assert (again.plan.change, again.endpoints, project.observed().release) == (
        Change.NOTHING, first.endpoints, release,
    )  # fmt: skip
    assert project.outcomes() == ["succeeded"]
    assert project.platform.done["stage"] == 1


def test_a_dry_run_touches_nothing(project):
    shown = project.up(dry_run=True)
    assert (shown.plan.change, shown.endpoints, shown.report) == (Change.CREATE, None, None)
    assert_nothing_is_left(project)
    assert project.platform.done == {}
    assert not project.state_dir.exists()


def test_the_plan_that_was_shown_is_the_one_that_is_carried_out(project):
    digest = project.up(dry_run=True).plan.digest
    assert deployer.up(f"{NAME}:1", settings=project.settings(), expect=digest).plan.digest == digest
    with pytest.raises(PlanOutdated):
        deployer.up(f"{NAME}:2", settings=project.settings(), expect=digest)
    project.check(1)


@pytest.mark.parametrize("fault", ["wrong", "broken", "slow"])
def test_a_candidate_that_does_not_pass_is_gone(project, fault):
    getattr(project.platform.faults, fault).add((NAME, 1))
    with pytest.raises(VerificationFailed if fault == "wrong" else NotReady):
        project.up(timeout=0.5)
    assert_nothing_is_left(project)
    assert project.outcomes() == ["failed"]
    assert project.platform.done["promote"] == 0


def test_a_version_that_fails_to_load_is_reported_with_the_log_of_its_server(project):
    project.platform.faults.broken.add((NAME, 1))
    with pytest.raises(NotReady) as refused:
        project.up()
    assert any("DATA_LOSS" in line for line in refused.value.log)


@pytest.mark.parametrize("moment", ["pull", "stage", "promote"])
@pytest.mark.parametrize("error", [EngineError("full"), KeyboardInterrupt()], ids=["engine error", "interrupt"])
def test_what_fails_leaves_nothing_and_is_noted(project, moment, error):
    def fail() -> None:
        raise error

    project.platform.on[moment] = fail
    with pytest.raises(type(error)):
        project.up()
    assert_nothing_is_left(project)
    assert project.outcomes() == ["failed"]
    project.platform.on.clear()
    project.up()
    project.check(1)


def test_a_server_that_does_not_serve_at_its_address_is_not_accepted(project):
    def ends() -> None:
        project.platform.faults.slow.add((NAME, 1))
        for each in project.platform.all():
            each.server.models[NAME][1].state = "LOADING"

    project.platform.on["promote"] = ends
    with pytest.raises(NotReady):
        project.up(timeout=0.5)
    assert_nothing_is_left(project)


def test_refusals_for_load_are_waited_for_and_counted(project):
    project.platform.faults.busy = 5
    report = project.up().report
    assert report.ok
    assert sum(check.retried for check in report.checks) <= 5
    assert project.platform.faults.busy == 0
    project.check(1)


def test_a_version_without_golden_answers_is_refused_before_anything_is_started(project):
    project.publish(4, linear=Linear(), golden_set=False)
    with pytest.raises(VerificationFailed):
        project.up(f"{NAME}:4")
    assert project.platform.done["stage"] == 0
    assert_nothing_is_left(project)


def test_a_skipped_gate_asks_nothing_and_is_noted(project):
    project.platform.faults.wrong.add((NAME, 1))
    result = project.up(skip_gate=True)
    assert {check.name for check in result.report.checks} == {"status"}
    assert project.history()[0].detail
    assert project.answer() == 103.0


def test_a_version_that_the_store_does_not_have_is_named(project):
    with pytest.raises(ModelNotFound):
        project.up(f"{NAME}:9")
    assert_nothing_is_left(project)


def test_another_command_that_works_on_it_is_waited_for_or_named(project):
    with project.engine.locks.acquire(NAME, "local", 0.0), pytest.raises(LockHeld):
        project.up()
    project.up()
    project.check(1)


def test_environments_and_names_are_deployments_of_their_own(project):
    project.up()
    project.up(env="staging")
    project.publish(1, name="other")
    project.up("other:1")
    assert project.engine.inventory.names() == (("m", "local"), ("m", "staging"), ("other", "local"))
    deployer.down(NAME, settings=project.settings(env="staging"))
    assert project.engine.inventory.names() == (("m", "local"), ("other", "local"))
    assert project.answer() == 3.0


def test_down_removes_all_of_it_and_the_store_stays(project):
    project.up()
    result = deployer.down(NAME, settings=project.settings())
    assert (result.name, result.plan.change) == (NAME, Change.REMOVE)
    assert_nothing_is_left(project)
    assert project.store.versions(NAME) == (1, 2, 3)
    with pytest.raises(DeployerError) as refused:
        deployer.down(NAME, settings=project.settings())
    assert refused.value.exit_code == 10


def test_the_heading_of_a_plan_names_the_engine(project):
    plan = project.up(dry_run=True).plan
    assert (plan.engine, str(plan).partition("\n")[0]) == ("memory", "CREATE m [local] on memory")
    assert project.up().plan.digest == plan.digest
