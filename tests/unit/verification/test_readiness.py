"""Readiness has three values, by the states that a server tells of its versions."""

from __future__ import annotations

import json

import pytest
from support.proving import World
from support.world import free_port

from deployer.client import availability
from deployer.client.client import Client
from deployer.results.deployment import Endpoints
from deployer.results.served import ServedModel
from deployer.system.wait import Observation, Readiness
from deployer.verification import smoke


def look(world: World, *wanted: ServedModel) -> Observation:
    return availability.readiness(world.client, wanted or (ServedModel("m", (1,)),))


ERROR = {"version": "1", "state": "END", "status": {"error_message": "no such file"}}


def test_what_is_refused_for_load_is_no_sign_of_readiness(world):
    world.server.answer({"error": "busy"}, 503)
    assert look(world).readiness is Readiness.NOT_READY
    wanted, gone = ServedModel("m", (2,)), ServedModel("m", (1,))
    assert availability.unloaded(world.client, [gone], [wanted]).readiness is Readiness.NOT_READY
    assert len(world.server.asked) == 2


@pytest.mark.parametrize(
    ("states", "readiness", "says"),
    [
        ([{"version": "1", "state": "AVAILABLE"}], Readiness.READY, ""),
        ([{"version": "1", "state": "AVAILABLE"}, {**ERROR, "version": "9"}], Readiness.READY, ""),
        ([], Readiness.NOT_READY, "m:1 is not known"),
        ([{"version": "1", "state": "START"}], Readiness.NOT_READY, "m:1 is START"),
        ([{"version": "1", "state": "UNLOADING"}], Readiness.NOT_READY, "m:1 is UNLOADING"),
        ([{"version": "1", "state": "END"}], Readiness.NOT_READY, "m:1 is END"),
        ([ERROR], Readiness.FAILED, "m:1 failed to load: no such file"),
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
    assert (seen.readiness, "nothing listens there" in seen.reason) == (Readiness.NOT_READY, True)


def test_the_short_proof_looks_at_states_alone(world):
    world.server.answer({"model_version_status": [{"version": "1", "state": "AVAILABLE"}]})
    report = smoke.verify_available(world.client, [ServedModel("m", (1, 3))])
    assert [(check.name, check.model, check.ok) for check in report.checks] == [
        ("status", "m:1", True), ("status", "m:3", False),
    ]  # fmt: skip
    assert {asked.path for asked in world.server.asked} == {"/v1/models/m"}
