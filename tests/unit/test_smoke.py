"""The proof: everything right passes, and every single thing that is wrong fails exactly its own checks."""

from __future__ import annotations

import json
import struct
import threading
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import grpc
import numpy as np
import pytest
from support.fake_model import Outputs, Served, half_plus_two, signature
from support.fake_server import FakeServer, fake_server
from support.world import free_port

from deployer import availability, golden, parity, smoke
from deployer.client import Client
from deployer.deployment import Endpoints, ServedModel
from deployer.golden import GoldenCase, Tolerance
from deployer.model import GoldenSummary, Model, SavedModelInfo, Signature, Source, TensorSpec
from deployer.overload import EXHAUSTED
from deployer.report.checks import Report
from deployer.wait import Observation, Readiness

REST = ["parity REST", "concurrent REST", "repeated REST"]
GRPC = ["parity gRPC", "concurrent gRPC", "repeated gRPC"]
ALL = ["status", "signatures", "source", *REST, *GRPC]


@pytest.fixture(scope="module")
def running() -> Iterator[FakeServer]:
    with fake_server() as server:
        yield server


@pytest.fixture(scope="module")
def client(running: FakeServer) -> Iterator[Client]:
    speaking = Client(running.endpoints, 5.0)
    yield speaking
    speaking.close()


@dataclass
class World:
    """The version in the store, and the server that is asked about it."""

    folder: Path
    server: FakeServer
    client: Client

    def model(self, exported: Signature, summary: GoldenSummary, cases: list[GoldenCase]) -> Model:
        path = self.folder / golden.GOLDEN_FILE
        path.parent.mkdir(exist_ok=True)
        records = [golden.to_record(case) for case in cases]
        path.write_bytes(b"".join(struct.pack("<QI", len(data), 0) + data + bytes(4) for data in records))
        info = SavedModelInfo((exported,), ("serve",), "2.21.0", None, None, 1)
        return Model("m", 1, self.folder, "d", info, Source("keras", "m", None), summary, "now")

    def proof(self, served: Served, model: Model | None = None, tolerance: Tolerance | None = None) -> Report:
        self.server.rest, self.server.call = served.rest, served.call
        model = model or self.model(signature(), GoldenSummary(1, "made"), [CASE])
        return smoke.prove(self.client, [model], tolerance or Tolerance())


@pytest.fixture
def world(tmp_path: Path, running: FakeServer, client: Client, monkeypatch: pytest.MonkeyPatch) -> Iterator[World]:
    monkeypatch.setattr(smoke, "CONCURRENT_REQUESTS", 4)  # fewer than usual, for the time that they take
    yield World(tmp_path, running, client)
    running.forget()


X = {"x": np.float32([1.0, 4.0])}
CASE = GoldenCase("serving_default", X, half_plus_two(X))


def failed(report: Report) -> list[str]:
    assert report.ok == (not report.failed)
    return [check.name for check in report.failed]


def test_all_that_is_right_passes_every_check(world):
    report = world.proof(Served())
    assert [check.name for check in report.checks] == ALL
    assert failed(report) == []
    details = {check.name: check.detail for check in report.checks}
    assert details["status"] == "AVAILABLE"
    assert details["signatures"] == "1 as exported"
    assert details["parity gRPC"] == "1 golden answers, worst difference 0"
    assert details["concurrent REST"] == "4 requests of 8 clients, worst difference 0"
    assert all(check.milliseconds >= 0 and check.model == "m:1" for check in report.checks)


def test_every_golden_question_is_asked_alone_at_once_and_again(world):
    more = {"x": np.float32([8.0])}
    other = GoldenCase("serving_default", more, {"y": np.float32([6.0])})
    model = world.model(signature(), GoldenSummary(2, "made"), [CASE, other])
    assert failed(world.proof(Served(), model)) == []
    asked = [json.loads(each.body)["inputs"]["x"] for each in world.server.asked if each.method == "POST"]
    assert asked[:2] == asked[-2:] == [[1.0, 4.0], [8.0]]
    assert len(asked) == 2 + smoke.CONCURRENT_REQUESTS + 2
    assert {each.path for each in world.server.asked if each.method == "POST"} == {"/v1/models/m/versions/1:predict"}


def test_what_was_proven_a_moment_ago_is_asked_once_at_each_door(world):
    model = world.model(signature(), GoldenSummary(1, "made"), [CASE])
    served = Served()
    world.server.rest, world.server.call = served.rest, served.call
    report = smoke.prove(world.client, [model], Tolerance(), again=True)
    assert (report.ok, [check.name for check in report.checks]) == (
        True,
        ["status", "signatures", "source", REST[0], GRPC[0]],
    )
    assert len([each for each in world.server.asked if each.method == "POST"]) == 1


@pytest.mark.parametrize(
    ("states", "says"),
    [
        ([], "m:1 is not known to the server yet"),
        ([{"version": "2", "state": "AVAILABLE"}], "m:1 is not known to the server yet"),
        ([{"version": "1", "state": "LOADING"}], "m:1 is LOADING"),
        ([{"version": "1", "state": "END"}], "m:1 is END"),
        ([{"version": "1", "state": "END", "status": {"error_message": "no file"}}], "m:1 failed to load: no file"),
    ],
)
def test_a_version_that_is_not_available_fails_the_status(world, states, says):
    report = world.proof(Served(states=states))
    assert failed(report) == ["status"]
    assert report.failed[0].detail == says


@pytest.mark.parametrize(
    "declared",
    [
        signature("float64"),
        replace(signature(), name="other"),
        replace(signature(), method="tensorflow/serving/regress"),
        replace(signature(), inputs=(TensorSpec("x", "float32", (None, 1)),)),
        replace(signature(), inputs=(TensorSpec("x", "float32", None),)),
        replace(signature(), inputs=(TensorSpec("renamed", "float32", (None,)),)),
        replace(signature(), outputs=()),
        replace(signature(), outputs=(*signature().outputs, TensorSpec("z", "float32", (None,)))),
    ],
    ids=str,
)
def test_a_signature_other_than_exported_fails_the_signatures(world, declared):
    report = world.proof(Served(declared))
    assert failed(report) == ["signatures"]
    assert report.failed[0].detail.startswith("signature serving_default is served as ")


def another_model(inputs: Outputs) -> Outputs:
    return {"y": half_plus_two(inputs)["y"] + np.float32(1)}


def test_other_values_over_one_door_fail_that_door_alone(world):
    report = world.proof(Served(over_rest=another_model))
    assert failed(report) == REST
    assert report.failed[0].detail == "serving_default/y: 2 of 2 values differ, first at [0]: 3.5, not 2.5"
    assert failed(world.proof(Served(over_grpc=another_model))) == GRPC


@pytest.mark.parametrize(
    ("answer", "says"),
    [
        (lambda x: {"y": x["x"][:1]}, "shape [1], not [2]"),
        (lambda x: {"y": half_plus_two(x)["y"][:, None]}, "shape [2, 1], not [2]"),
        (lambda x: {"y": half_plus_two(x)["y"].astype(np.float64)}, "dtype float64, not float32"),
        (lambda x: {"z": half_plus_two(x)["y"]}, "outputs ['z'], not ['y']"),
        (lambda x: {}, "outputs [], not ['y']"),
        (lambda x: {**half_plus_two(x), "extra": x["x"]}, "outputs ['extra', 'y'], not ['y']"),
        (lambda x: {"y": x["x"] * np.float32(np.nan)}, "2 of 2 values differ"),
    ],
)
def test_an_answer_of_another_shape_dtype_or_name_fails(world, answer, says):
    report = world.proof(Served(over_grpc=answer))
    assert failed(report) == GRPC
    assert says in report.failed[0].detail


def test_a_missing_output_over_rest_fails(world):
    two = signature("float32", "y", "z")
    case = GoldenCase("serving_default", X, {**CASE.outputs, "z": X["x"]})
    model = world.model(two, GoldenSummary(1, "made"), [case])
    both = {"over_grpc": lambda x: {**half_plus_two(x), "z": x["x"]}}
    report = world.proof(Served(two, **both), model)
    assert failed(report) == REST
    assert "lacks outputs of signature serving_default" in report.failed[0].detail


def test_a_server_that_is_right_once_and_wrong_later_is_found_out(world):
    left = [np.float32(0)]

    def drifting(inputs: Outputs) -> Outputs:
        return {"y": half_plus_two(inputs)["y"] + (left.pop() if left else np.float32(0.5))}

    assert failed(world.proof(Served(over_grpc=drifting))) == GRPC[1:]


def test_a_server_that_fails_under_load_is_found_out(world):
    alone = threading.Lock()

    def crowded(inputs: Outputs) -> Outputs:
        if not alone.acquire(blocking=False):
            return another_model(inputs)
        try:
            world.server.hang(0.02)
            return half_plus_two(inputs)
        finally:
            alone.release()

    assert failed(world.proof(Served(over_grpc=crowded))) == ["concurrent gRPC"]


def test_small_distances_pass_are_measured_and_the_tolerance_decides(world):
    near = Served(over_grpc=lambda x: {"y": half_plus_two(x)["y"] * np.float32(1 + 5e-5)})
    report = world.proof(near)
    assert failed(report) == []
    parity = next(check for check in report.checks if check.name == "parity gRPC")
    assert 1e-4 < (parity.worst or 0) < 3e-4
    assert failed(world.proof(near, tolerance=Tolerance(relative=1e-6, absolute=0.0))) == GRPC
    assert failed(world.proof(Served(over_grpc=another_model), tolerance=Tolerance(absolute=1.5))) == []


def random_model(world: World, exempted: tuple[str, ...]) -> Model:
    return world.model(signature(), GoldenSummary(1, "made", exempted), [CASE])


def test_an_output_that_is_random_on_purpose_is_held_to_shape_and_dtype_only(world):
    exempted = random_model(world, ("serving_default/y",))
    dice = np.random.default_rng(1)
    thrown = Served(over_grpc=lambda x: {"y": dice.random(2, np.float32)})
    assert failed(world.proof(thrown, exempted)) == []
    assert failed(world.proof(thrown, random_model(world, ("other/y", "serving_default/z")))) == GRPC
    longer = Served(over_grpc=lambda x: {"y": dice.random(3, np.float32)})
    assert failed(world.proof(longer, random_model(world, ("serving_default/y",)))) == GRPC


@pytest.mark.parametrize(
    ("summary", "says"),
    [
        (GoldenSummary(0, "none"), "this version was not exported by deployer"),
        (GoldenSummary(0, "made", (), ("classify: takes tf.Example", "x: y")), "classify: takes tf.Example; x: y"),
    ],
)
def test_a_version_without_golden_answers_is_not_proven(world, summary, says):
    report = world.proof(Served(), world.model(signature(), summary, []))
    assert failed(report) == ["golden"]
    assert report.failed[0].detail == f"no golden answers to compare with: {says}"


@pytest.mark.parametrize("spoil", [lambda data: data[:-3], lambda data: data[:12] + b"\xff" * (len(data) - 12)])
def test_a_damaged_golden_set_is_a_failed_check(world, spoil):
    model = world.model(signature(), GoldenSummary(1, "made"), [CASE])
    path = world.folder / golden.GOLDEN_FILE
    path.write_bytes(spoil(path.read_bytes()))
    report = world.proof(Served(), model)
    assert failed(report) == ["golden"]
    assert "is damaged" in report.failed[0].detail


def test_a_golden_set_that_lost_questions_proves_nothing(world):
    report = world.proof(Served(), world.model(signature(), GoldenSummary(3, "made"), [CASE, CASE]))
    assert failed(report) == ["golden"]
    assert "has 2 of its 3 cases" in report.failed[0].detail


def test_a_golden_set_for_a_signature_that_is_gone_fails(world):
    case = replace(CASE, signature="gone")
    report = world.proof(Served(), world.model(signature(), GoldenSummary(1, "made"), [case]))
    assert set(failed(report)) == set(REST)
    assert "which the model does not have" in report.failed[0].detail


def test_what_rest_cannot_carry_is_asked_over_grpc_alone_and_said(world):
    half = {"x": np.float16([1.0])}
    case = GoldenCase("serving_default", half, half_plus_two(half))
    model = world.model(signature("float16"), GoldenSummary(1, "made"), [case])
    report = world.proof(Served(signature("float16"), dtype="float16"), model)
    assert failed(report) == []
    assert [check.name for check in report.checks] == ["status", "signatures", "source", "parity REST", *GRPC]
    assert report.checks[3].detail == "not asked: REST cannot carry the float16 of input x"
    assert not [asked for asked in world.server.asked if asked.method == "POST"]


def test_a_proof_that_left_something_out_says_what(world):
    whole = GoldenSummary(1, "made", compared=("serving_default",))
    report = world.proof(Served(), world.model(signature(), whole, [CASE]))
    assert not any(check.partial for check in report.checks)
    assert report.checks[2].detail == "verified against the source model"
    for summary in (
        GoldenSummary(1, "made"),
        replace(whole, not_compared=("it cannot be asked",)),
        replace(whole, skipped=("other: no inputs",)),
        replace(whole, random_outputs=("serving_default/y",)),
    ):
        report = world.proof(Served(), world.model(signature(), summary, [CASE]))
        assert (report.ok, report.checks[2].partial) == (True, True)
        assert report.checks[2].detail != "verified against the source model"


def test_random_outputs_are_said_to_be_compared_by_shape_and_dtype(world):
    summary = GoldenSummary(1, "made", ("serving_default/y",))
    report = world.proof(Served(over_rest=another_model), world.model(signature(), summary, [CASE]))
    checks = {check.name: check for check in report.checks}
    assert failed(report) == []
    assert checks["parity REST"].detail == "1 golden answers, shapes and dtypes only: y is random"
    assert (checks["parity REST"].worst, checks["parity REST"].partial) == (None, True)


@pytest.mark.parametrize(("name", "asked"), [("blob", False), ("blob_bytes", True)])
def test_bytes_that_are_not_text_are_asked_over_rest_only_where_their_name_says_so(tmp_path, name, asked):
    held = np.empty(1, object)
    held[:] = [b"\xff\x00"]
    out = TensorSpec(name, "string", (None,))
    info = SavedModelInfo((replace(signature(), outputs=(out,)),), ("serve",), "2.21.0", None, None, 1)
    model = Model("m", 1, tmp_path, "d", info, Source("keras", "m", None), GoldenSummary(1, "made"), "now")
    case = GoldenCase("serving_default", X, {name: held})
    assert parity.fits_rest(model, case) is asked
    if not asked:
        assert parity.rest_cannot_carry(model, case) == "what output blob holds"


def test_one_fault_does_not_keep_the_other_checks_from_being_made(world):
    report = world.proof(Served(states=[], over_rest=another_model))
    assert [check.name for check in report.checks] == ALL
    assert failed(report) == ["status", *REST]


def test_every_model_is_proven(world):
    world.server.rest, world.server.call = Served().rest, Served().call
    one = world.model(signature(), GoldenSummary(1, "made"), [CASE])
    report = smoke.prove(world.client, [one, replace(one, version=2)], Tolerance())
    assert [check.model for check in report.checks] == ["m:1"] * len(ALL) + ["m:2"] * len(ALL)
    assert failed(report) == ["status"]


def test_a_proof_of_nothing_is_no_proof(world):
    assert not smoke.prove(world.client, [], Tolerance()).ok
    assert not smoke.prove_available(world.client, []).ok


def test_where_nobody_listens_every_check_fails_with_the_address(tmp_path, world):
    model = world.model(signature(), GoldenSummary(1, "made"), [CASE])
    rest, calls = f"http://127.0.0.1:{free_port()}", f"127.0.0.1:{free_port()}"
    nobody = Client(Endpoints(rest, calls), 2.0)
    report = smoke.prove(nobody, [model], Tolerance())
    assert failed(report) == [name for name in ALL if name != "source"]
    assert all(rest in check.detail or calls in check.detail for check in report.failed)
    nobody.close()


class Busy(Served):
    """Refuses the first of each kind of request, so often as it is told to, and then answers."""

    def refuse(self, rest: int = 0, over_grpc: int = 0) -> Busy:
        self.left = {"rest": rest, "grpc": over_grpc}
        return self

    def rest(self, asked):
        if asked.method == "POST" and self._refuses("rest"):
            return 503, b'{"error": "the batching queue is full"}'
        return super().rest(asked)

    def call(self, method, message, context):
        if self._refuses("grpc"):
            context.abort(grpc.StatusCode.RESOURCE_EXHAUSTED, EXHAUSTED)
        return super().call(method, message, context)

    def _refuses(self, api):
        self.left[api] -= 1
        return self.left[api] >= 0


def test_what_is_refused_for_load_is_asked_again_and_counted(world):
    report = world.proof(Busy().refuse(rest=2, over_grpc=3))
    assert failed(report) == []
    assert {check.name: check.retried for check in report.checks if check.retried} == {REST[0]: 2, GRPC[0]: 3}
    details = {check.name: check.detail for check in report.checks}
    assert details[GRPC[0]].endswith("worst difference 0; 3 retried: server at its thread limit")
    assert "retried" not in details[GRPC[1]]


def test_a_wrong_answer_behind_a_refusal_is_wrong_and_asked_once(world):
    answers = []

    def wrong(inputs: Outputs) -> Outputs:
        answers.append(inputs)
        return another_model(inputs)

    report = world.proof(Busy(over_grpc=wrong).refuse(over_grpc=1))
    assert failed(report) == GRPC
    assert not report.overloaded
    assert len(answers) == 1 + 4 + 1


def test_a_server_that_refuses_to_the_end_is_overloaded_and_asked_no_more_over_that_api(world):
    hasty = Client(world.client.endpoints, 5.0, patience=0.1)
    model = world.model(signature(), GoldenSummary(1, "made"), [CASE])
    busy = Busy().refuse(over_grpc=1_000_000)
    world.server.rest, world.server.call = busy.rest, busy.call
    report = smoke.prove(hasty, [model], Tolerance())
    hasty.close()
    assert [check.name for check in report.checks] == [*ALL[: ALL.index(GRPC[0])], GRPC[0]]
    assert failed(report) == [GRPC[0]]
    assert report.overloaded
    assert report.failed[0].overloaded
    assert report.failed[0].retried > 1
    assert "refused for load" in report.failed[0].detail


def test_a_pace_is_measured_without_what_was_refused(world):
    model = world.model(signature(), GoldenSummary(1, "made"), [CASE])
    busy = Busy().refuse(rest=3)
    world.server.rest, world.server.call = busy.rest, busy.call
    check = smoke.compare_pace((world.client, model), (world.client, model), 1000.0)
    assert check.ok
    assert check.retried == 3
    assert f"of {smoke.PACE_ROUNDS} rounds left out" in check.detail


def test_what_is_refused_for_load_is_no_sign_of_readiness(world):
    world.server.answer({"error": "busy"}, 503)
    assert look(world).readiness is Readiness.NOT_READY
    wanted, gone = ServedModel("m", (2,)), ServedModel("m", (1,))
    assert availability.withdrawn(world.client, [gone], [wanted]).readiness is Readiness.NOT_READY
    assert len(world.server.asked) == 2


def look(world: World, *wanted: ServedModel) -> Observation:
    return availability.readiness(world.client, wanted or (ServedModel("m", (1,)),))


ERROR = {"version": "1", "state": "END", "status": {"error_message": "no such file"}}


@pytest.mark.parametrize(
    ("states", "readiness", "says"),
    [
        ([{"version": "1", "state": "AVAILABLE"}], Readiness.READY, ""),
        ([{"version": "1", "state": "AVAILABLE"}, {**ERROR, "version": "9"}], Readiness.READY, ""),
        ([], Readiness.NOT_READY, "m:1 is not known"),
        ([{"version": "1", "state": "START"}], Readiness.NOT_READY, "m:1 is START"),
        ([{"version": "1", "state": "UNLOADING"}], Readiness.NOT_READY, "m:1 is UNLOADING"),
        ([{"version": "1", "state": "END"}], Readiness.NOT_READY, "m:1 is END"),
        ([ERROR], Readiness.UNAVAILABLE, "m:1 failed to load: no such file"),
    ],
)
def test_readiness_has_three_values(world, states, readiness, says):
    world.server.answer({"model_version_status": states})
    seen = look(world)
    assert seen.readiness is readiness
    assert says in seen.reason


def test_all_versions_of_all_models_must_be_available(world):
    two = {"model_version_status": [{"version": "1", "state": "AVAILABLE"}, {"version": "2", "state": "LOADING"}]}
    world.server.rest = lambda asked: (
        (200, json.dumps(two).encode()) if asked.path == "/v1/models/m" else (404, b'{"error": "no n"}')
    )
    assert look(world).readiness is Readiness.READY
    assert look(world, ServedModel("m", (1, 2))) == Observation(Readiness.NOT_READY, "m:2 is LOADING")
    seen = look(world, ServedModel("m", (1,)), ServedModel("n", (1,)))
    assert (seen.readiness, "no n" in seen.reason) == (Readiness.NOT_READY, True)


def test_what_cannot_be_understood_is_not_yet_ready(world):
    world.server.answer("<html>")
    assert look(world).readiness is Readiness.NOT_READY
    nobody = Client(Endpoints(f"http://127.0.0.1:{free_port()}", ""), 1.0)
    seen = availability.readiness(nobody, (ServedModel("m", (1,)),))
    assert (seen.readiness, "nobody listens there" in seen.reason) == (Readiness.NOT_READY, True)


def test_the_short_proof_looks_at_states_alone(world):
    world.server.answer({"model_version_status": [{"version": "1", "state": "AVAILABLE"}]})
    report = smoke.prove_available(world.client, [ServedModel("m", (1, 3))])
    assert [(check.name, check.model, check.ok) for check in report.checks] == [
        ("status", "m:1", True), ("status", "m:3", False),
    ]  # fmt: skip
    assert {asked.path for asked in world.server.asked} == {"/v1/models/m"}
