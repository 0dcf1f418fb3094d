"""Several things of which some fail: the others are done, and the failures are told together."""

from __future__ import annotations

import pytest

from deployer.config.options import Settings
from deployer.errors import EngineUnavailable, LockHeld
from deployer.operations.status import status
from deployer.system.attempts import collect_errors, merge_errors


def failing(error: Exception) -> list[int]:
    raise error


def test_what_can_be_done_is_done_and_the_rest_is_reported_at_once():
    first, second = LockHeld("a is held", hint="wait"), EngineUnavailable("b is off")
    results, failures = collect_errors([lambda: [1], lambda: failing(first), lambda: [2, 3], lambda: failing(second)])
    assert (results, failures) == ((1, 2, 3), (first, second))
    whole = merge_errors(failures, results)
    assert (type(whole), whole.exit_code) == (LockHeld, 9)
    assert (whole.message, whole.hint, whole.results) == ("a is held; b is off", "wait", (1, 2, 3))


def test_a_bug_is_no_failure_to_go_on_after():
    with pytest.raises(ZeroDivisionError):
        collect_errors([lambda: failing(ZeroDivisionError())])


def test_an_engine_whose_place_cannot_be_told_is_one_that_does_not_answer(tmp_path, monkeypatch):
    monkeypatch.setenv("DOCKER_CONFIG", str(tmp_path))
    monkeypatch.setenv("DOCKER_CONTEXT", "far")
    monkeypatch.delenv("DOCKER_HOST", raising=False)
    monkeypatch.setenv("DEPLOYER_ENGINE", "docker")
    monkeypatch.chdir(tmp_path)
    with pytest.raises(EngineUnavailable, match="no docker context 'far'"):
        status(all_envs=True, settings=Settings())
