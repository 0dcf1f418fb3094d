"""Another server in the place of one that serves: other ports, other flags, other files under a known number."""

from __future__ import annotations

import pytest
from support.memory.project import NAME, Project
from support.world import free_port, listens

from deployer.errors import ConfigError, DeployFailed, EngineError, NotReady, SettingRefused, VerificationFailed, undone
from deployer.results.plan import Change


def flags(project: Project, text: str) -> None:
    (project.directory / "deployer.toml").write_text(f"[server]\nflags = {{ {text} }}\n")


def test_other_flags_take_another_server_at_the_same_address(serving):
    before = serving.observed()
    flags(serving, "rest_api_num_threads = 3")
    assert serving.up().plan.change is Change.REPLACE
    after = serving.observed()
    assert (after.endpoints, after.release != before.release) == (before.endpoints, True)
    serving.check(1)
    assert serving.engine.exit_reason(before) is not None


@pytest.mark.parametrize("dry_run", [True, False])
@pytest.mark.parametrize("command", ["up", "redeploy"])
def test_options_of_containers_change_nothing_on_an_engine_without_any(serving, command, dry_run):
    with pytest.raises(SettingRefused) as raised:
        getattr(serving, command)(dry_run=dry_run, memory="2g", user="1000")
    assert "--memory and --user" in raised.value.message
    serving.check(1)


def test_another_port_is_moved_to(serving):
    before, port = serving.observed(), free_port()
    assert serving.up(rest_port=port).plan.change is Change.REPLACE
    assert serving.observed().rest_port == port
    assert not listens(before.rest_port)
    serving.check(1)


@pytest.mark.parametrize("other", [None, 0, "free"])
@pytest.mark.parametrize(("wanted", "kept"), [("rest_port", "grpc_port"), ("grpc_port", "rest_port")])
@pytest.mark.parametrize("dry_run", [True, False])
def test_one_protocol_cannot_take_the_port_of_the_other(serving, wanted, kept, other, dry_run):
    """Neither where the other one keeps it, nor where that is to move away."""
    before = serving.observed()
    port = getattr(before, kept)
    asked = {wanted: port, kept: free_port() if other == "free" else other}
    with pytest.raises(ConfigError) as refused:
        serving.up(dry_run=dry_run, **asked)
    assert str(port) in refused.value.message
    assert "stage" not in serving.platform.done
    assert serving.observed() == before


def test_a_server_that_has_ended_keeps_no_port_from_the_other_protocol(serving):
    before = serving.observed()
    serving.platform.all()[0].end()
    assert serving.up(dry_run=True, rest_port=before.grpc_port).plan.change is Change.CREATE


@pytest.mark.parametrize("fault", ["wrong", "broken", "slow"])
def test_a_candidate_that_does_not_pass_leaves_the_old_server(serving, fault):
    before = serving.observed()
    flags(serving, "rest_api_num_threads = 3")
    getattr(serving.platform.faults, fault).add((NAME, 2))
    with pytest.raises(VerificationFailed if fault == "wrong" else NotReady):
        serving.up(f"{NAME}:2", timeout=0.5)
    assert serving.observed() == before
    serving.check(1)


def test_one_that_answers_otherwise_at_its_address_is_taken_back(serving):
    before = serving.observed()
    flags(serving, "rest_api_num_threads = 3")
    serving.platform.faults.changed.add((NAME, 2))
    with pytest.raises(DeployFailed):
        serving.up(f"{NAME}:2")
    assert serving.observed() == before
    serving.check(1)


@pytest.mark.parametrize("moment", ["stage", "promote"])
@pytest.mark.parametrize("error", [EngineError("full"), KeyboardInterrupt()], ids=["engine error", "interrupt"])
def test_whatever_fails_the_old_server_serves(serving, moment, error):
    def fail() -> None:
        raise error

    before = serving.observed()
    flags(serving, "rest_api_num_threads = 3")
    serving.platform.on[moment] = fail
    with pytest.raises(type(error)):
        serving.up()
    assert serving.observed() == before
    serving.platform.on.clear()
    serving.check(1)


@pytest.mark.parametrize("moment", ["stage", "promote"])
def test_an_interrupted_change_says_what_serves_again(serving, moment):
    def interrupt() -> None:
        raise KeyboardInterrupt

    flags(serving, "rest_api_num_threads = 3")
    serving.platform.on[moment] = interrupt
    with pytest.raises(KeyboardInterrupt) as ended:
        serving.up()
    restored = () if moment == "stage" else (f"{NAME}:1 serves again",)
    assert undone(ended.value) == (*restored, "the candidate was removed")
    serving.platform.on.clear()
    serving.check(1)


def test_a_server_that_has_ended_is_started_again_with_its_ports(serving):
    before = serving.observed()
    serving.platform.all()[0].end()
    assert serving.up().plan.change is Change.CREATE
    assert (serving.observed().rest_port, serving.observed().grpc_port) == (before.rest_port, before.grpc_port)
    serving.check(1)
    assert serving.engine.exit_reason(before) is not None


@pytest.mark.parametrize("seamless", [True, False])
def test_the_plan_tells_whether_there_will_be_a_gap(serving, seamless):
    serving.platform.seamless = seamless
    flags(serving, "rest_api_num_threads = 3")
    steps = serving.up(dry_run=True).plan.steps
    assert any("ports are closed" in step.action for step in steps) is not seamless
    for dry_run in (True, False):
        said = [text for text in serving.up(dry_run=dry_run).notices if "ports are closed" in text]
        assert bool(said) is not seamless
    assert not [text for text in serving.up().notices if "ports are closed" in text]
