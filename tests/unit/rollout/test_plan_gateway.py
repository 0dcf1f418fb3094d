"""The plan where a gateway is in front of the server, or comes and goes."""

from __future__ import annotations

from pathlib import Path

import pytest
from support.launches import ACCEPTED, APART, ONE, RELOAD, TWO, kinds, launch_of, promotion, serving

from deployer.results.deployment import Gateway
from deployer.results.launch import NamedImage
from deployer.results.plan import Change
from deployer.rollout import plan

GATEWAY = Gateway("g1", True, Path("token"))


@pytest.mark.parametrize(("digest", "differs"), [("", False), ("g1", True), ("g2", False)])
def test_a_gateway_that_is_not_running_has_no_ports_to_hand_over(digest, differs):
    stopped = Gateway(digest, False, Path(), settings={"image": "a"})
    launch = launch_of(ONE, gateway_digest="g2", gateway_settings={"image": "b"} if differs else {})
    decided = plan.decide(launch, serving(ONE, gateway=stopped))
    assert decided.change is Change.GATEWAY
    assert decided.steps[0].cause.startswith("the gateway is not running" if digest else "the gateway is gone")
    assert ("gateway.image (a, now b)" in decided.steps[0].cause) is differs
    assert "takes the ports from" not in str(decided)
    assert "runs until then" not in str(decided)


@pytest.mark.parametrize("running", [True, False])
def test_another_gateway_is_accepted_while_the_old_one_runs_if_it_does(running):
    decided = plan.decide(launch_of(ONE, gateway_digest="g2"), serving(ONE, gateway=Gateway("g1", running, Path())))
    assert ("the old gateway runs until then" in str(decided)) is running
    assert "old server" not in str(decided)


def test_behind_a_gateway_a_replacement_has_no_gap():
    decided = plan.decide(launch_of(ONE, gateway_digest="g1", flags=(("a", "b"),)), serving(ONE, gateway=GATEWAY))
    assert decided.change is Change.REPLACE
    assert promotion(decided).gap == ""
    assert "have the gateway send requests to it, from 127.0.0.1" in str(decided)


def test_turning_a_gateway_on_or_off_is_a_replacement_whose_gap_is_told_though_the_engine_is_seamless():
    for decided, cause, until in (
        (
            plan.decide(launch_of(ONE, gateway_digest="g1"), serving(ONE)),
            "a gateway is enabled",
            "the gateway has them",
        ),
        (
            plan.decide(launch_of(ONE), serving(ONE, gateway=GATEWAY)),
            "the gateway is disabled",
            "the new one has loaded",
        ),
    ):
        assert decided.change is Change.REPLACE
        assert f"({cause})" in str(decided)
        assert promotion(decided).gap == until


@pytest.mark.parametrize("image_id", ["sha256:aa", ""])
@pytest.mark.parametrize(
    ("observed", "changes", "starts"),
    [
        (None, {}, True),
        (serving(ONE), {}, True),
        (serving(ONE, gateway=GATEWAY), {"gateway_digest": "g2"}, True),
        (serving(ONE, gateway=GATEWAY), {"gateway_digest": "g2", "flags": (("a", "b"),)}, True),
        (serving(ONE, gateway=Gateway("", False, Path())), {}, True),
        (serving(ONE, running=False, gateway=Gateway("g1", False, Path())), {}, True),
        (serving(ONE, gateway=GATEWAY), {"flags": (("a", "b"),)}, False),
        (serving(ONE, running=False, gateway=GATEWAY), {}, False),
        (serving(ONE, gateway=GATEWAY), {"gateway_digest": "", "gateway_image": None}, False),
    ],
)
def test_the_image_of_a_gateway_that_starts_is_part_of_the_plan(observed, changes, starts, image_id):
    image = NamedImage("proxy:1", image_id)
    launch = launch_of(ONE, **{"gateway_digest": "g1", "gateway_image": image, **changes})
    text = str(plan.decide(launch, observed))
    assert (text.count("image proxy:1"), "which is pulled first" in text) == (starts, starts and not image_id)


def test_another_gateway_leaves_the_server_alone():
    assert plan.decide(launch_of(ONE, gateway_digest="g1"), serving(ONE, gateway=GATEWAY)).change is Change.NOTHING
    changed = plan.decide(launch_of(ONE, gateway_digest="g2"), serving(ONE, gateway=GATEWAY))
    assert changed.change is Change.GATEWAY
    assert "changed: the gateway's image" in str(changed)
    gone = plan.decide(launch_of(ONE, gateway_digest="g1"), serving(ONE, gateway=Gateway("", False, Path("token"))))
    assert (gone.change, "the gateway is gone" in str(gone)) == (Change.GATEWAY, True)


def test_a_change_of_models_and_of_the_gateway_are_one_plan():
    decided = plan.decide(launch_of(TWO, gateway_digest="g2"), serving(ONE, gateway=GATEWAY))
    assert decided.change is Change.RELOAD
    assert kinds(decided) == ["ReplaceGateway", "AwaitServing", *APART, *RELOAD, *ACCEPTED]
