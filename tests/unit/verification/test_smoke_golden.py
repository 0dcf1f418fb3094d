"""What the proof asks: golden questions that are random, damaged, left out or cannot be carried."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from support.fake_model import Served, half_plus_two, signature
from support.proving import ALL, CASE, GRPC, REST, World, X, another_model, failed
from support.world import free_port

from deployer.client.client import Client
from deployer.results.deployment import Endpoints
from deployer.results.model import GoldenSummary, Model, SavedModelInfo, Source, TensorSpec
from deployer.verification import golden, parity, smoke
from deployer.verification.golden import GoldenCase, Tolerance


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
    path = world.directory / golden.GOLDEN_FILE
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
    assert parity.rest_can_carry(model, case) is asked
    if not asked:
        assert parity.rest_cannot_carry(model, case) == "what output blob holds"


def test_one_fault_does_not_keep_the_other_checks_from_being_made(world):
    report = world.proof(Served(states=[], over_rest=another_model))
    assert [check.name for check in report.checks] == ALL
    assert failed(report) == ["status", *REST]


def test_every_model_is_proven(world):
    world.server.rest, world.server.call = Served().rest, Served().call
    one = world.model(signature(), GoldenSummary(1, "made"), [CASE])
    report = smoke.verify(world.client, [one, replace(one, version=2)], Tolerance())
    assert [check.model for check in report.checks] == ["m:1"] * len(ALL) + ["m:2"] * len(ALL)
    assert failed(report) == ["status"]


def test_a_proof_of_nothing_is_no_proof(world):
    assert not smoke.verify(world.client, [], Tolerance()).ok
    assert not smoke.verify_available(world.client, []).ok


def test_where_nobody_listens_every_check_fails_with_the_address(tmp_path, world):
    model = world.model(signature(), GoldenSummary(1, "made"), [CASE])
    rest, calls = f"http://127.0.0.1:{free_port()}", f"127.0.0.1:{free_port()}"
    nobody = Client(Endpoints(rest, calls), 2.0)
    report = smoke.verify(nobody, [model], Tolerance())
    assert failed(report) == [name for name in ALL if name != "source"]
    assert all(rest in check.detail or calls in check.detail for check in report.failed)
    nobody.close()
