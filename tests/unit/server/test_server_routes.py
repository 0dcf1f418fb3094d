"""Which path asks for what, and what is malformed: TF_SERVING.md 3.1."""

from __future__ import annotations

import pytest

from deployer.server.latency import LatencyTracker
from deployer.server.rest.routes import Route, SilentError, is_api, route
from deployer.server.status import ServingError


@pytest.mark.parametrize(
    ("method", "target", "asked"),
    [
        ("GET", "/v1/models/m", Route("status", "m")),
        ("GET", "/V1/Models/m", Route("status", "m")),
        ("GET", "/v1/models/m?x=1", Route("status", "m?x=1")),
        ("GET", "/v1/models/m/versions/3", Route("status", "m", 3)),
        ("GET", "/v1/models/m/labels/stable", Route("status", "m", None, "stable")),
        ("GET", "/v1/models/m/metadata", Route("metadata", "m")),
        ("GET", "/v1/models/m/METADATA", Route("status", "m")),
        ("GET", "/v1/models/m/versions/3/metadata", Route("metadata", "m", 3)),
        ("POST", "/v1/models/m:predict", Route("predict", "m")),
        ("POST", "/v1/models/m/versions/9223372036854775807:classify", Route("classify", "m", 2**63 - 1)),
        ("POST", "/v1/models/a%2Fb/labels/a%20b:regress", Route("regress", "a/b", None, "a b")),
    ],
)
def test_known_paths(method: str, target: str, asked: Route) -> None:
    assert route(method, target) == asked


@pytest.mark.parametrize(
    ("method", "target"),
    [
        ("GET", "/v1/foo"),
        ("GET", "/v1/models/"),
        ("GET", "/v1/models/m/"),
        ("GET", "/v1/models/m:predict"),
        ("GET", "/v1/models/m/versions/abc"),
        ("GET", "/v1/models/m/versions/\u0661"),
        ("POST", "/v1/models/m"),
        ("POST", "/v1/models/m/metadata"),
        ("POST", "/v1/models/m:predict/"),
        ("POST", "/v1/models/m:predict?a=1"),
        ("POST", "/v1/models/m:PREDICT"),
        ("POST", "/v1/models/m/versions/1/labels/a:predict"),
        ("POST", "/v1/models/:predict"),
        ("PUT", "/v1/models/m"),
        ("DELETE", "/v1/models/m"),
        ("HEAD", "/v1/models/m"),
    ],
)
def test_everything_else_is_malformed(method: str, target: str) -> None:
    with pytest.raises(ServingError) as caught:
        route(method, target)
    assert caught.value.message == f"Malformed request: {method} {target}"


def test_a_model_must_be_named() -> None:
    with pytest.raises(ServingError, match=r"^INVALID_ARGUMENT: Missing model name in request\.$"):
        route("GET", "/v1/models")


@pytest.mark.parametrize(("method", "end"), [("GET", ""), ("POST", ":predict")])
def test_a_version_beyond_int64_is_refused_without_a_word(method: str, end: str) -> None:
    with pytest.raises(SilentError):
        route(method, f"/v1/models/m/versions/9223372036854775808{end}")


@pytest.mark.parametrize(
    ("path", "api"), [("/v1/", True), ("/V1/x", True), ("/v1", False), ("/", False), ("/v2/", False)]
)
def test_what_belongs_to_the_api(path: str, api: bool) -> None:
    assert is_api(path) is api


def test_a_signature_proves_itself_quick_and_loses_that_by_one_long_call() -> None:
    tracker = LatencyTracker(terminates=True)
    assert (tracker.quick, tracker.on_caller_thread) == (False, True)
    for _ in range(16):
        tracker.record(0.0001)
    assert (tracker.quick, tracker.on_caller_thread) == (True, True)
    tracker.record(1.0)
    assert not tracker.quick


def test_a_long_signature_gets_the_pool_and_one_that_may_not_end_never_leaves_it() -> None:
    long, endless = LatencyTracker(terminates=True), LatencyTracker(terminates=False)
    for _ in range(16):
        long.record(0.02)
        endless.record(0.0001)
    assert not long.on_caller_thread
    assert (endless.quick, endless.on_caller_thread) == (False, False)


def test_what_other_programs_take_is_no_reason_to_leave_the_event_loop_but_waiting_each_time_is() -> None:
    tracker = LatencyTracker(terminates=True)
    for _ in range(16):
        tracker.record(0.0001, wall=0.0002)
    tracker.record(0.0001, wall=1.0)
    assert tracker.quick
    for _ in range(9):
        tracker.record(0.0001, wall=0.1)
    assert not tracker.quick


def test_what_else_speaks_against_the_event_loop_is_asked_each_time() -> None:
    may = [True]
    tracker = LatencyTracker(terminates=True, may_run_inline=lambda: may[0])
    for _ in range(16):
        with tracker.timer():
            pass
    assert tracker.quick
    may[0] = False
    assert not tracker.quick


def test_the_work_of_a_quick_signature_is_measured_again_only_after_a_call_that_was_not_short() -> None:
    tracker = LatencyTracker(terminates=True)
    for _ in range(16):
        assert tracker.needs_cpu_time
        tracker.record(0.0001)
    tracker.record_wall(wall=0.0002)
    assert not tracker.needs_cpu_time
    tracker.record_wall(wall=0.2)
    assert (tracker.quick, tracker.needs_cpu_time) == (True, True)
    tracker.record(0.2)
    assert (tracker.quick, tracker.needs_cpu_time) == (False, True)


def test_a_doubt_about_a_quick_signature_ends_when_its_work_was_short() -> None:
    tracker = LatencyTracker(terminates=True)
    for _ in range(16):
        tracker.record(0.0001)
    tracker.record_wall(wall=0.2)
    for _ in range(16):
        assert tracker.needs_cpu_time
        tracker.record(0.0001)
    assert (tracker.quick, tracker.needs_cpu_time) == (True, False)
