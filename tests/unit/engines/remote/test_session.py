"""The helper of a process: started when it is needed, and again when it has ended."""

from __future__ import annotations

from typing import Any

from deployer.engines.docker.remote.session import Session, session_for
from deployer.errors import EngineError


class Helper:
    """A helper that runs commands, or has ended."""

    def __init__(self, *, runs: bool = True) -> None:
        self.runs, self.closed = runs, False

    def run(self, script: str) -> str:
        if not self.runs:
            raise EngineError(f"{script}: not running")
        return ""

    def close(self) -> None:
        self.closed = True


def session(*helpers: Helper) -> Session:
    left: Any = iter(helpers)
    return Session(lambda: next(left))


def test_a_helper_is_started_once_and_again_after_its_end():
    first, second, third = Helper(), Helper(), Helper()
    made = session(first, second, third)
    assert not made.is_started
    assert made.helper() is made.helper() is first
    first.runs = False
    assert made.helper() is second
    made.end()
    assert (second.closed, made.is_started) == (True, False)
    assert made.helper() is third


def test_a_helper_that_ends_at_once_is_started_again():
    first, second = Helper(runs=False), Helper()
    assert session(first, second).helper() is second
    assert first.closed


def test_commands_of_a_process_share_a_session():
    made = session_for("c", "v", Helper)  # type: ignore[arg-type]
    assert session_for("c", "v", Helper) is made  # type: ignore[arg-type]
    assert session_for("other", "v", Helper) is not made  # type: ignore[arg-type]
