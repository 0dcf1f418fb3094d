"""The helper of a process: started when it is needed, and again when it has ended."""

from __future__ import annotations

from typing import Any

import pytest

from deployer.engines.docker.remote.helper import HelperEnded
from deployer.engines.docker.remote.session import ATTEMPTS, Session, session_for
from deployer.errors import EngineError


class Helper:
    """A helper that runs commands, or that the engine has ended, which its input may not show yet."""

    def __init__(self, output: str = "", *, ended: bool = False, fails: bool = False) -> None:
        self.output, self.ended, self.fails = output, ended, fails
        self.runs, self.closed = True, False

    def run(self, script: str) -> str:
        if self.ended:
            raise HelperEnded(f"{script}: not running")
        if self.fails:
            raise EngineError(f"{script}: failed")
        return self.output

    def close(self) -> None:
        self.closed = True


@pytest.fixture(autouse=True)
def _without_pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("deployer.engines.docker.remote.session.PAUSE_SECONDS", 0)


def session(*helpers: Helper) -> Session:
    left: Any = iter(helpers)
    return Session(lambda: next(left))


def test_a_helper_is_started_once_and_again_after_its_end():
    first, second, third = Helper("1"), Helper("2"), Helper("3")
    made = session(first, second, third)
    assert not made.is_started
    assert [made.run("x"), made.run("x")] == ["1", "1"]
    first.runs = False
    assert made.run("x") == "2"
    made.end()
    assert (second.closed, made.is_started) == (True, False)
    assert made.run("x") == "3"


@pytest.mark.parametrize("ended", range(1, ATTEMPTS))
def test_what_a_helper_did_not_finish_runs_again_with_another_one(ended):
    made = session(*[Helper(ended=True)] * ended, Helper("done"))
    assert made.run("x") == "done"


def test_a_helper_that_ends_in_use_is_replaced():
    first = Helper("1")
    made = session(first, Helper("2"))
    assert made.run("x") == "1"
    first.ended = True
    assert made.run("x") == "2"


def test_an_engine_that_ends_each_helper_is_an_error():
    with pytest.raises(HelperEnded):
        session(*[Helper(ended=True)] * ATTEMPTS).run("x")


def test_a_script_that_fails_does_not_run_again():
    with pytest.raises(EngineError, match="failed"):
        session(Helper(fails=True), Helper("2")).run("x")


def test_commands_of_a_process_share_a_session():
    made = session_for("c", "v", Helper)  # type: ignore[arg-type]
    assert session_for("c", "v", Helper) is made  # type: ignore[arg-type]
    assert session_for("other", "v", Helper) is not made  # type: ignore[arg-type]
