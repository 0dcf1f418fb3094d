"""What an error says besides its message: nothing that did not happen, and what serves after the change was undone."""

from __future__ import annotations

import itertools
from collections.abc import Iterator

import pytest
from support.memory.linear import Linear
from support.memory.project import NAME, Project
from support.memory.server import AVAILABLE, LOADING, Version
from support.world import free_port

from deployer.errors import DeployerError, DeployFailed, EngineError, LockHeld, VerificationFailed

CLOSED = "ports are closed"
MOVED = "label stable"


def said(holder: object, text: str) -> bool:
    return any(text in notice for notice in holder.notices)


def refused(project: Project, kind: type[DeployerError], version: int = 2, **settings: object) -> DeployerError:
    with pytest.raises(kind) as raised:
        project.redeploy(version, **settings)
    return raised.value


def other_flags(project: Project) -> None:
    project.platform.seamless = False
    (project.directory / "deployer.toml").write_text("[server]\nflags = { rest_api_num_threads = 3 }\n")


def fail() -> None:
    raise EngineError("the image cannot be pulled")


@pytest.mark.parametrize("moment", ["pull", "stage"])
def test_ports_that_were_not_closed_are_not_noted_with_the_error(serving, moment):
    other_flags(serving)
    assert said(serving.redeploy(2, dry_run=True), CLOSED)
    serving.platform.on[moment] = fail
    error = refused(serving, EngineError)
    assert (said(error, CLOSED), error.serving) == (False, f"{NAME}:1 still serves")
    serving.platform.on.clear()
    assert said(serving.redeploy(2), CLOSED)


def test_a_label_that_did_not_move_is_not_noted_with_the_error(serving):
    serving.label(stable=1)
    serving.platform.faults.wrong.add((NAME, 2))
    error = refused(serving, VerificationFailed)
    assert (said(error, MOVED), error.serving) == (False, f"{NAME}: 1 (stable) still serves")
    serving.platform.faults.wrong.clear()
    assert said(serving.redeploy(2), MOVED)


def test_options_without_effect_are_noted_with_the_error_too(serving):
    serving.platform.on["stage"] = fail
    assert said(refused(serving, EngineError, 1, rest_port=free_port(), max_slowdown=2.0), "--max")


def test_a_reload_that_was_rolled_back_says_what_serves_again(serving):
    serving.platform.faults.changed.add((NAME, 2))
    assert refused(serving, DeployerError).serving == f"{NAME}:1 still serves"
    serving.check(1)


class Starting(Version):
    """A version of a server that has been started again: it loads while its state is read for the first few times."""

    def __init__(self, compute: Linear) -> None:
        self.compute, self.error = compute, ""
        self._states = itertools.chain([LOADING] * 3, itertools.repeat(AVAILABLE))

    @property
    def state(self) -> str:
        return next(self._states)

    @state.setter
    def state(self, _: str) -> None: ...


@pytest.fixture
def restarting(serving: Project) -> Iterator[Project]:
    """A failed promotion starts the old server again, as it does where only one container can have the ports."""
    other_flags(serving)

    def start_again() -> None:
        versions = serving.platform.all()[0].server.models[NAME]
        versions[1] = Starting(versions[1].compute)

    serving.platform.on["restore"] = start_again
    yield serving
    serving.platform.on.clear()


def test_an_old_server_that_is_started_again_is_waited_for(restarting):
    restarting.platform.faults.changed.add((NAME, 2))
    assert refused(restarting, DeployFailed).serving == f"{NAME}:1 still serves"
    restarting.check(1)


def test_an_old_server_that_does_not_load_again_is_noted_with_the_error(restarting):
    restarting.platform.faults.changed.add((NAME, 2))
    restarting.platform.on["restore"] = restarting.platform.all()[0].end
    error = refused(restarting, DeployFailed)
    assert (error.serving, said(error, "the old server does not serve again")) == ("", True)


@pytest.mark.parametrize("limit", [{"max_failures": 0}, {"max_gap_ms": 0.001}])
def test_a_change_that_clients_noticed_says_how_many_requests_failed_as_the_history_does(restarting, limit):
    if "max_failures" in limit:
        restarting.platform.on["promote"] = lambda: setattr(restarting.platform.faults, "busy", 20)
    error = refused(restarting, DeployFailed, measure=200.0, **limit)
    newest = restarting.history()[0]
    assert newest.traffic is not None
    assert error.serving == f"{NAME}:1 still serves"
    assert [notice for notice in error.notices if "requests failed" in notice] == [f"in all, {newest.traffic}"]
    assert ("until then" in newest.detail) is ("max_failures" in limit)


def test_a_change_that_failed_before_the_switch_says_that_no_request_did(serving):
    serving.platform.faults.wrong.add((NAME, 2))
    error = refused(serving, VerificationFailed, measure=200.0)
    assert said(error, "in all, 0 of")


def test_nothing_is_said_to_serve_where_no_server_runs_or_answers(serving):
    serving.platform.on["stage"] = fail
    serving.platform.all()[0].server.models[NAME][1].state = "LOADING"
    assert refused(serving, EngineError).serving == ""
    serving.platform.all()[0].end()
    assert refused(serving, EngineError).serving == ""


def test_nothing_is_said_while_another_command_changes_it(serving):
    with serving.engine.locks.acquire(NAME, "local", 0.0):
        assert refused(serving, LockHeld).serving == ""


def test_an_engine_that_cannot_be_asked_hides_no_error(serving):
    def lose() -> None:
        serving.platform.servers.clear()
        raise EngineError("gone")

    serving.platform.on["stage"] = lose
    error = refused(serving, EngineError)
    assert ("gone" in error.message, error.serving) == (True, "")


@pytest.mark.parametrize("dry_run", [True, False])
def test_the_engine_that_was_chosen_is_noted_with_the_error_too(project, monkeypatch, dry_run):
    monkeypatch.setenv("DEPLOYER_ENGINE", "embedded")
    (project.directory / "deployer.toml").write_text('engine = "docker"\n')
    if dry_run:
        monkeypatch.setattr("deployer.rollout.preview.check_platform", lambda _: fail())
    else:
        project.platform.on["stage"] = fail
    with pytest.raises(EngineError) as raised:
        project.up(dry_run=dry_run)
    assert said(raised.value, "DEPLOYER_ENGINE=embedded overrides")
