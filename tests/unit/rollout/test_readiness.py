"""Waiting for a server: one that ended is told at once, and the engine is not asked at every look."""

from __future__ import annotations

from types import SimpleNamespace

from deployer.rollout.readiness import LivenessProbe
from deployer.system.wait import Observation, Readiness

LOADING = Observation(Readiness.NOT_READY, "it loads")
READY = Observation(Readiness.READY)


def vigil(*alive: bool) -> tuple[LivenessProbe, list[bool]]:
    left = list(alive)
    engine = SimpleNamespace(exit_reason=lambda _: None if left.pop(0) else "it exited with code 1")
    return LivenessProbe(engine, SimpleNamespace()), left


def test_a_server_that_ended_is_reported_at_the_first_look():
    watched, _ = vigil(False)
    assert watched.check(LOADING) == Observation(Readiness.FAILED, "it exited with code 1")


def test_the_engine_is_asked_rarely_and_never_about_a_server_that_answers(monkeypatch):
    now = iter([1.0, 1.0, 1.1, 1.19, 1.21, 1.21, 1.3])
    monkeypatch.setattr("time.monotonic", lambda: next(now))
    watched, left = vigil(True, True)
    assert watched.check(READY) == READY
    assert [watched.check(LOADING) for _ in range(3)] == [LOADING] * 3
    assert left == [True]
    assert [watched.check(LOADING) for _ in range(2)] == [LOADING] * 2
    assert left == []
