"""The plan: a pure function, compared by its text."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import pytest
from support.launches import BOTH, ONE, TWO, launch_of, serving

from deployer.results.deployment import Gateway, NamedImage, Rendered, ServedModel
from deployer.results.plan import (
    AwaitCandidate,
    AwaitServing,
    Change,
    DiscardCandidate,
    Plan,
    Promote,
    Reload,
    StartCandidate,
    VerifyCandidate,
    VerifyServing,
)
from deployer.rollout import plan
from deployer.rollout.plan import Conditions

APART = ["StartCandidate", "VerifyCandidate", "DiscardCandidate"]
RELOAD = ["LoadVersions", "Reload"]
ACCEPTED = ["VerifyServing", "RecordModels"]


def kinds(decided: Plan) -> list[str]:
    return [type(step).__name__ for step in decided.all_steps]


def promotion(decided: Plan) -> Promote:
    (found,) = [step for step in decided.steps if isinstance(step, Promote)]
    return found


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


def test_another_version_is_reload():
    assert str(plan.decide(launch_of(TWO), serving(ONE))) == (
        "RELOAD digits [local]\n"
        "  start a candidate with digits:2  (newer version digits:2)\n"
        "  verify the candidate: status, signatures, golden answers over REST and gRPC  "
        "(no unverified server takes traffic)\n"
        "  discard the candidate  (the running server loads the verified version itself)\n"
        "  have the server load digits: 1, 2  (nothing is unloaded before the new version serves)\n"
        "  unload digits:1  (newer version digits:2)\n"
        "  verify the serving server: status, signatures, golden answers over REST and gRPC  (after the reload)\n"
        "  record that digits:2 is served  (a reload that is killed before is undone)"
    )


@pytest.mark.parametrize(
    ("conditions", "steps"),
    [
        (Conditions(verify=False), [*RELOAD, "AwaitServing", "RecordModels"]),
        (Conditions(measure_rate=50.0), [*APART, *RELOAD, "VerifyServing", "JudgeTraffic", "RecordModels"]),
        (Conditions(only_stored=lambda models: tuple(model for model in models if model == TWO)),
         [*APART, *RELOAD, *ACCEPTED]),
        (Conditions(only_stored=lambda _: (TWO,)), [*APART, "Reload", *ACCEPTED]),
    ],
    ids=["gate skipped", "measured", "a version has left the store", "only the new one is in the store"],
)  # fmt: skip
def test_conditions_decide_about_the_steps_of_a_reload(conditions, steps):
    assert kinds(plan.decide(launch_of(TWO), serving(ONE), conditions)) == steps


def test_versions_that_are_loaded_are_verified_where_they_are():
    decided = plan.decide(launch_of(ONE), serving(BOTH))
    assert kinds(decided) == ["VerifyServing", "Reload", *ACCEPTED]
    assert [step.again for step in decided.steps if isinstance(step, VerifyServing)] == [False, True]


def test_a_candidate_goes_in_the_background_where_there_is_memory_which_the_digest_leaves_out():
    one, other = (plan.decide(launch_of(TWO), serving(ONE), Conditions(fits_three=room)) for room in (True, False))
    assert (one != other, one.digest) == (True, other.digest)


def test_models_that_come_and_go_are_named():
    other = ServedModel("faces", (3,), (("stable", 3),), ("cc",))
    (reload,) = [step for step in plan.decide(launch_of(other), serving(ONE)).steps if isinstance(step, Reload)]
    assert reload.changes == ("point label stable at faces:3", "unload digits:1")
    assert reload.action == "point label stable at faces:3, unload digits:1"


def test_a_label_alone_is_reload():
    labelled = dataclasses.replace(ONE, labels=(("stable", 1),))
    assert plan.decide(launch_of(labelled), serving(ONE)).change is Change.RELOAD


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


PORTED = {"rest_port": 9601, "grpc_port": 9600}


def ports(decided: Plan) -> str:
    return promotion(decided).address.removeprefix("127.0.0.1: ")


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


LABELLED = dataclasses.replace(ONE, labels=(("stable", 1),))
FACES = ServedModel("faces", (3,), (), ("cc",))
REWRITTEN = dataclasses.replace(ONE, digests=("zz",))


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


@pytest.mark.parametrize(("digest", "differs"), [("", False), ("g1", True), ("g2", False)])
def test_a_gateway_that_is_not_running_has_no_ports_to_hand_over(digest, differs):
    stopped = Gateway(digest, False, Path(), settings={"image": "a"})
    launch = launch_of(ONE, gateway_digest="g2", gateway_settings={"image": "b"} if differs else {})
    decided = plan.decide(launch, serving(ONE, gateway=stopped))
    assert decided.change is Change.GATEWAY
    assert decided.steps[0].cause.startswith("the gateway is not running")
    assert ("gateway.image (a, now b)" in decided.steps[0].cause) is differs
    assert "takes the ports from" not in str(decided)
    assert "runs until then" not in str(decided)


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


def test_no_step_takes_a_server_that_was_stopped_before_for_a_running_one():
    decided = plan.decide(launch_of(ONE, host="0.0.0.0"), serving(ONE), Conditions(zero_downtime=False))
    assert "runs until" not in str(decided)
    assert "is started again if that fails" in str(decided)


@pytest.mark.parametrize("running", [True, False])
def test_another_gateway_is_accepted_while_the_old_one_runs_if_it_does(running):
    decided = plan.decide(launch_of(ONE, gateway_digest="g2"), serving(ONE, gateway=Gateway("g1", running, Path())))
    assert ("the old gateway runs until then" in str(decided)) is running
    assert "old server" not in str(decided)


def test_remove_names_the_models():
    (step,) = plan.plan_removal(serving(ONE)).steps
    assert (step.models, step.cause) == ((ONE,), "asked for")


def test_the_rendered_model_config_does_not_change_the_server_digest():
    one = launch_of(ONE, rendered=Rendered({"model_config.config": "a", "monitoring.config": "m"}))
    two = launch_of(ONE, rendered=Rendered({"model_config.config": "b", "monitoring.config": "m"}))
    three = launch_of(ONE, rendered=Rendered({"model_config.config": "a", "monitoring.config": "n"}))
    assert one.server_digest == two.server_digest != three.server_digest


GATEWAY = Gateway("g1", True, Path("token"))


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
    assert (gone.change, "the gateway is not running" in str(gone)) == (Change.GATEWAY, True)


def test_a_change_of_models_and_of_the_gateway_are_one_plan():
    decided = plan.decide(launch_of(TWO, gateway_digest="g2"), serving(ONE, gateway=GATEWAY))
    assert decided.change is Change.RELOAD
    assert kinds(decided) == ["ReplaceGateway", "AwaitServing", *APART, *RELOAD, *ACCEPTED]


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


def test_a_server_that_would_not_find_its_models_is_replaced_and_not_told_to_reload():
    decided = plan.decide(launch_of(TWO), serving(ONE), Conditions(reload_obstacle="it does not see the store"))
    assert (decided.change, decided.steps[0].cause) == (Change.REPLACE, "it does not see the store")
    assert plan.decide(launch_of(TWO), serving(ONE)).change is Change.RELOAD


def test_a_version_that_is_still_to_be_exported_needs_a_candidate():
    foreseen = ServedModel("digits", (2,))
    assert str(plan.decide(launch_of(foreseen), serving(ONE))) == str(plan.decide(launch_of(TWO), serving(ONE)))


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
