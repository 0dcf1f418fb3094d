"""The plan: a pure function, compared by its text."""

from __future__ import annotations

from pathlib import Path

import pytest
from support.launches import BOTH, ONE, TWO, kinds, launch_of, serving

from deployer.results.deployment import Gateway
from deployer.results.launch import NamedImage, Rendered
from deployer.results.plan import Change
from deployer.results.steps import (
    AwaitCandidate,
    AwaitServing,
    DiscardCandidate,
    Promote,
    Reload,
    StartCandidate,
    VerifyCandidate,
    VerifyServing,
)
from deployer.rollout import plan
from deployer.rollout.plan import Conditions


def test_nothing_there_is_create():
    assert str(plan.decide(launch_of(ONE, rest_port=8501), None)) == (
        "CREATE digits [local]\n"
        "  start a candidate with digits:1  (nothing is deployed under this name)\n"
        "  verify the candidate: status, signatures, golden answers over REST and gRPC  "
        "(no unverified server takes traffic)\n"
        "  open its ports on 127.0.0.1: REST 8501, gRPC 8500 or a free one  (the candidate is verified)\n"
        "  wait until it serves at its address  (the change has succeeded only then)"
    )


@pytest.mark.parametrize("observed", [None, serving(ONE, running=False)])
def test_a_server_whose_ports_open_at_its_start_is_not_said_to_be_closed(observed):
    decided = plan.decide(launch_of(ONE, rest_port=8501), observed, Conditions(zero_downtime=False))
    start, verify, promote = decided.steps
    assert "on its final ports, 127.0.0.1: REST 8501" in start.action
    assert (verify.cause, promote.published) == (plan.PUBLISHED, True)
    assert plan.UNVERIFIED not in str(decided)
    assert "open its ports" not in str(decided)


@pytest.mark.parametrize(
    ("image_id", "says"),
    [("sha256:aa", " from image serving:1  "), ("", " from image serving:1, which is pulled first  ")],
)
def test_the_image_of_a_candidate_is_part_of_the_plan_and_of_its_digest(image_id, says):
    images = (NamedImage(name, image_id) for name in ("serving:1", "serving:2"))
    decided, other = (plan.decide(launch_of(ONE, image=image), None) for image in images)
    assert says in str(decided)
    assert decided.digest != other.digest


def test_an_image_that_is_pulled_and_the_final_ports_are_told_apart():
    conditions = Conditions(zero_downtime=False)
    start = plan.decide(launch_of(ONE, image=NamedImage("serving:1", ""), rest_port=8501), None, conditions).steps[0]
    assert " from image serving:1, which is pulled first, on its final ports, 127.0.0.1: REST 8501" in start.action


@pytest.mark.parametrize(
    "change", [{"flags": (("a", "b"),)}, {"gateway_digest": "g1"}, {"rendered": Rendered({"batching": "x"})}]
)
def test_the_digest_covers_the_settings_of_the_server(change):
    assert plan.decide(launch_of(ONE), None).digest != plan.decide(launch_of(ONE, **change), None).digest


def test_the_same_is_nothing_and_is_looked_at():
    decided = plan.decide(launch_of(ONE), serving(ONE))
    assert (decided.change, kinds(decided), decided.is_change) == (Change.NOTHING, ["CheckServing"], False)


def test_any_port_is_content_with_the_port_that_is_there():
    assert plan.decide(launch_of(ONE, rest_port=0, grpc_port=8500), serving(ONE)).change is Change.NOTHING


def test_a_dead_server_is_created_again():
    decided = plan.decide(launch_of(ONE), serving(ONE, running=False))
    assert (decided.change, decided.steps[0].cause) == (Change.CREATE, "the old server (digits:1) is not running")


@pytest.mark.parametrize("models", [ONE, TWO])
@pytest.mark.parametrize("verify", [True, False])
def test_no_step_takes_a_dead_server_for_a_running_one(models, verify):
    for observed in (
        None,
        serving(ONE, running=False),
        serving(ONE, running=False, gateway=Gateway("", False, Path())),
    ):
        decided = plan.decide(launch_of(models), observed, Conditions(verify=verify))
        assert "runs until" not in str(decided)
        assert verify or plan.VERIFIED not in str(decided)


def test_remove_names_the_models():
    (step,) = plan.plan_removal(serving(ONE)).steps
    assert (step.models, step.cause) == ((ONE,), "asked for")


def test_the_rendered_model_config_does_not_change_the_server_digest():
    one = launch_of(ONE, rendered=Rendered({"model_config.config": "a", "monitoring.config": "m"}))
    two = launch_of(ONE, rendered=Rendered({"model_config.config": "b", "monitoring.config": "m"}))
    three = launch_of(ONE, rendered=Rendered({"model_config.config": "a", "monitoring.config": "n"}))
    assert one.server_digest == two.server_digest != three.server_digest


@pytest.mark.parametrize(
    ("launch", "observed", "starts"),
    [
        (launch_of(ONE), None, True),
        (launch_of(ONE), serving(ONE, running=False), True),
        (launch_of(ONE, rest_port=9), serving(ONE), True),
        (launch_of(TWO), serving(ONE), True),
        (launch_of(ONE), serving(ONE), False),
        (launch_of(ONE), serving(BOTH), False),
        (launch_of(ONE, gateway_digest="new"), serving(ONE, gateway=Gateway("old", True, Path())), True),
        (launch_of(ONE, gateway_digest="new"), serving(BOTH, gateway=Gateway("old", True, Path())), True),
        (launch_of(ONE, gateway_digest="old"), serving(BOTH, gateway=Gateway("old", True, Path())), False),
    ],
    ids=[
        "nothing there", "dead", "another port", "another version", "the same", "loaded already", "another gateway",
        "loaded already, another gateway", "loaded already, the same gateway",
    ],
)  # fmt: skip
def test_the_engine_must_be_fit_only_where_something_is_started(launch, observed, starts):
    assert plan.starts_server(plan.decide(launch, observed)) is starts


def test_a_step_is_private_until_a_client_can_reach_the_new_versions():
    """A candidate that has its final ports from its start is reached before it is verified."""
    private = [
        StartCandidate("", (ONE,)),
        VerifyCandidate(""),
        AwaitCandidate(""),
        DiscardCandidate("", background=True),
    ]
    public = [
        StartCandidate("", (ONE,), final_address="127.0.0.1: REST 8501"), Promote("", "", gateway=False),
        AwaitServing(""), VerifyServing(""), Reload("", (ONE,), (), ()),
    ]  # fmt: skip
    assert [step.is_private for step in (*private, *public)] == [True] * len(private) + [False] * len(public)
