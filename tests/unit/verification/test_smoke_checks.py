"""The proof: everything right passes, and every single thing that is wrong fails exactly its own checks."""

from __future__ import annotations

import json
import threading
from dataclasses import replace

import numpy as np
import pytest
from support.fake_model import Outputs, Served, half_plus_two, signature
from support.proving import ALL, CASE, GRPC, REST, X, another_model, failed

from deployer.results.model import GoldenSummary, TensorSpec
from deployer.verification import smoke
from deployer.verification.golden import GoldenCase, Tolerance


def test_all_that_is_right_passes_every_check(world):
    report = world.proof(Served())
    assert [check.name for check in report.checks] == ALL
    assert failed(report) == []
    details = {check.name: check.detail for check in report.checks}
    assert details["status"] == "AVAILABLE"
    assert details["signatures"] == "1 as exported"
    assert details["parity gRPC"] == "1 golden answers, max diff 0 (tolerance 0.0001)"
    assert details["concurrent REST"] == "4 requests of 8 clients, max diff 0 (tolerance 0.0001)"
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


def test_what_was_verified_a_moment_ago_is_asked_once_over_each_api(world):
    model = world.model(signature(), GoldenSummary(1, "made"), [CASE])
    served = Served()
    world.server.rest, world.server.call = served.rest, served.call
    report = smoke.verify(world.client, [model], Tolerance(), again=True)
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


def test_other_values_over_one_api_fail_that_api_alone(world):
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
