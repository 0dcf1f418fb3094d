"""The plan of a replacement: another server takes over the ports."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import pytest
from support.launches import BOTH, ONE, TWO, launch_of, promotion, serving

from deployer.results.deployment import Gateway
from deployer.results.launch import Rendered
from deployer.results.plan import Change, Plan
from deployer.results.served import ServedModel
from deployer.results.steps import Promote
from deployer.rollout import plan
from deployer.rollout.plan import Conditions

PORTED = {"rest_port": 9601, "grpc_port": 9600}
LABELLED = dataclasses.replace(ONE, labels=(("stable", 1),))
FACES = ServedModel("faces", (3,), (), ("cc",))
REWRITTEN = dataclasses.replace(ONE, digests=("zz",))
GATEWAY = Gateway("g1", True, Path("token"))


def ports(decided: Plan) -> str:
    return promotion(decided).address.removeprefix("127.0.0.1: ")


def test_what_a_running_server_cannot_take_up_is_replace():
    for change, cause in (
        ({"host": "0.0.0.0"}, "the address"),
        ({"flags": (("a", "b"),)}, "the flags"),
        ({"models_root": "/elsewhere"}, "the models directory"),
        ({"traits": {"cpus": 2}}, "the engine's settings or the store"),
        ({"host": "0.0.0.0", "rendered": Rendered({"monitoring.config": ""})}, "the address, batching or monitoring"),
    ):
        decided = plan.decide(launch_of(ONE, **change), serving(ONE))
        assert decided.change is Change.REPLACE
        assert decided.steps[0].cause == f"changed: {cause}"
        assert (promotion(decided).replaces, promotion(decided).gap) == ("digits:1", "")
        assert [type(step).__name__ for step in promotion(decided).accepted_by] == ["AwaitServing", "VerifyServing"]


@pytest.mark.parametrize("asked", [(None, None), (0, 0), (9601, 0), (None, 9600)])
def test_a_replacement_says_which_ports_it_keeps(asked):
    flags = {"flags": (("a", "b"),), "rest_port": asked[0], "grpc_port": asked[1]}
    kept = "REST 9601, gRPC 9600"
    assert ports(plan.decide(launch_of(ONE, **flags), serving(ONE, **PORTED))) == kept
    assert ports(plan.decide(launch_of(ONE, **flags), serving(ONE, **PORTED), Conditions(zero_downtime=False))) == kept
    gated = serving(ONE, **PORTED, running=True, gateway=GATEWAY)
    assert ports(plan.decide(launch_of(ONE, gateway_digest="g1", **flags), gated)) == kept
    behind = serving(ONE, **PORTED, running=False, gateway=GATEWAY)
    assert ports(plan.decide(launch_of(ONE, gateway_digest="g1", **flags), behind)) == kept


def test_a_replacement_says_the_ports_that_it_changes():
    decided = plan.decide(launch_of(ONE, rest_port=9701), serving(ONE, **PORTED))
    assert ports(decided) == "REST 9701, gRPC 9600"


@pytest.mark.parametrize(
    ("asked", "said"),
    [
        ((None, None), "REST 9601 or a free one, gRPC 9600 or a free one"),
        ((0, 9600), "REST 9601 or a free one, gRPC 9600"),
        ((9701, 0), "REST 9701, gRPC 9600 or a free one"),
    ],
)
def test_the_ports_of_a_dead_server_are_taken_again_where_they_are_free(asked, said):
    launch = launch_of(ONE, rest_port=asked[0], grpc_port=asked[1])
    assert ports(plan.decide(launch, serving(ONE, **PORTED, running=False))) == said
    stopped = serving(ONE, **PORTED, running=False, gateway=Gateway("g1", False, Path("token")))
    assert ports(plan.decide(dataclasses.replace(launch, gateway_digest="g1"), stopped)) == said


@pytest.mark.parametrize("seamless", [True, False])
@pytest.mark.parametrize(
    ("before", "after", "says"),
    [
        ((ONE,), (TWO,), ["load digits:2", "unload digits:1"]),
        ((ONE,), (ServedModel("digits", (2,)),), ["load digits:2", "unload digits:1"]),
        ((TWO,), (ONE,), ["load digits:1", "unload digits:2"]),
        ((ONE,), (BOTH,), ["load digits:2"]),
        ((ONE,), (LABELLED,), ["point label stable at digits:1"]),
        ((ONE,), (ONE, FACES), ["load faces:3"]),
        ((ONE, FACES), (TWO,), ["load digits:2", "unload digits:1", "unload faces:3"]),
        ((ONE,), (ONE,), []),
        ((ONE,), (REWRITTEN,), []),
    ],
)
def test_a_replacement_lists_the_changes_of_models_when_it_takes_the_ports(before, after, says, seamless):
    launch = launch_of(*after, host="127.0.0.2")
    for running, expected in ((True, says), (False, [text for text in says if not text.startswith("unload")])):
        decided = plan.decide(launch, serving(*before, running=running), Conditions(zero_downtime=seamless))
        assert decided.change is (Change.REPLACE if running else Change.CREATE)
        assert list(promotion(decided).changes) == expected
        assert all(text in promotion(decided).action for text in expected)


def test_no_step_takes_a_server_that_was_stopped_before_for_a_running_one():
    decided = plan.decide(launch_of(ONE, host="0.0.0.0"), serving(ONE), Conditions(zero_downtime=False))
    assert "runs until" not in str(decided)
    assert "is started again if that fails" in str(decided)


@pytest.mark.parametrize(
    ("gateway", "replaces", "gap", "warns"),
    [
        (False, "half:1", "", True),
        (True, "half:1", "", False),
        (False, "half:1", "the new one has loaded", False),
        (False, "", "", False),
    ],
    ids=["two servers share the ports", "a gateway", "a gap", "nothing is replaced"],
)
def test_a_plan_warns_of_grpc_calls_where_two_servers_share_the_ports(
    gateway: bool, replaces: str, gap: str, warns: bool
) -> None:
    step = Promote("it is verified", "127.0.0.1", gateway, replaces=replaces, gap=gap)
    assert ("gRPC" in step.action) is warns
