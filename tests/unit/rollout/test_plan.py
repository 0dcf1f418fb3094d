"""The plan: a pure function, compared by its text."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import pytest

from deployer.results.deployment import Change, Deployment, Endpoints, Front, Launch, NamedImage, Rendered, ServedModel
from deployer.rollout import plan

PROVE = f"  {plan.PROVE.action}  ({plan.PROVE.cause})"
ONE = ServedModel("digits", (1,), (), ("aa",))
TWO = ServedModel("digits", (2,), (), ("bb",))
BOTH = ServedModel("digits", (1, 2), (), ("aa", "bb"))


def wanted(*models: ServedModel, **changes: object) -> Launch:
    launch = Launch("digits", "local", "127.0.0.1", None, None, (), models, "/models", Rendered({}))
    return dataclasses.replace(launch, **changes)


def there(*models: ServedModel, **changes: object) -> Deployment:
    deployment = Deployment(
        "digits", "local", "embedded", "r1", "serving", models, Endpoints("", ""), 8501, 8500,
        wanted(*models).server_digest, "2026-01-01", True, 1, Path(),
    )  # fmt: skip
    return dataclasses.replace(deployment, **changes)


def test_nothing_there_is_create():
    assert str(plan.decide(wanted(ONE, rest_port=8501), None)) == (
        "CREATE digits [local]\n"
        "  start a candidate with digits:1  (nothing is deployed under this name)\n"
        f"{PROVE}\n"
        "  open its ports on 127.0.0.1: REST 8501, gRPC 8500 or a free one  (the candidate is proven)"
    )


def test_the_same_is_nothing():
    decided = plan.decide(wanted(ONE), there(ONE))
    assert (decided.change, decided.steps) == (Change.NOTHING, ())
    assert str(decided) == "NOTHING digits [local]"


def test_any_port_is_content_with_the_port_that_is_there():
    assert plan.decide(wanted(ONE, rest_port=0, grpc_port=8500), there(ONE)).change is Change.NOTHING


def test_another_version_is_reload():
    assert str(plan.decide(wanted(TWO), there(ONE))) == (
        "RELOAD digits [local]\n"
        "  start a candidate with digits:2  (models differ)\n"
        f"{PROVE}\n"
        "  change digits:1 to digits:2  (models differ)\n"
        "  prove the serving server again  (its models changed)"
    )


def test_models_that_come_and_go_are_named():
    other = ServedModel("faces", (3,), (("stable", 3),), ("cc",))
    actions = [step.action for step in plan.decide(wanted(other), there(ONE)).steps]
    assert "load faces:3 stable=3" in actions
    assert "unload digits:1" in actions


def test_a_label_alone_is_reload():
    labelled = dataclasses.replace(ONE, labels=(("stable", 1),))
    assert plan.decide(wanted(labelled), there(ONE)).change is Change.RELOAD


def test_what_a_running_server_cannot_take_up_is_replace():
    for change, cause in (
        ({"host": "0.0.0.0"}, "the address"),
        ({"flags": (("a", "b"),)}, "the flags"),
        ({"models_root": "/elsewhere"}, "the models folder"),
        ({"traits": {"cpus": 2}}, "the engine's settings or the store"),
        ({"host": "0.0.0.0", "rendered": Rendered({"monitoring.config": ""})}, "the address, batching or monitoring"),
    ):
        decided = plan.decide(wanted(ONE, **change), there(ONE))
        assert decided.change is Change.REPLACE
        assert decided.steps[0].cause == f"another value is wanted for {cause}"
        assert decided.steps[-1].action == "drain and stop release r1"


PORTED = {"rest_port": 9601, "grpc_port": 9600}


def promotion(decided: plan.Plan) -> str:
    (action,) = [step.action for step in decided.steps if "127.0.0.1: REST" in step.action]
    return action.partition(": ")[2]


@pytest.mark.parametrize("asked", [(None, None), (0, 0), (9601, 0), (None, 9600)])
def test_a_replacement_says_which_ports_it_keeps(asked):
    flags = {"flags": (("a", "b"),), "rest_port": asked[0], "grpc_port": asked[1]}
    kept = "REST 9601, gRPC 9600"
    assert promotion(plan.decide(wanted(ONE, **flags), there(ONE, **PORTED))) == kept
    assert promotion(plan.decide(wanted(ONE, **flags), there(ONE, **PORTED), seamless=False)) == kept
    gated = there(ONE, **PORTED, running=True, front=GATEWAY)
    assert promotion(plan.decide(wanted(ONE, front="g1", **flags), gated)) == kept
    behind = there(ONE, **PORTED, running=False, front=GATEWAY)
    assert promotion(plan.decide(wanted(ONE, front="g1", **flags), behind)) == kept


def test_a_replacement_says_the_ports_that_it_changes():
    decided = plan.decide(wanted(ONE, rest_port=9701), there(ONE, **PORTED))
    assert promotion(decided) == "REST 9701, gRPC 9600"


@pytest.mark.parametrize(
    ("asked", "said"),
    [
        ((None, None), "REST 9601 or a free one, gRPC 9600 or a free one"),
        ((0, 9600), "REST 9601 or a free one, gRPC 9600"),
        ((9701, 0), "REST 9701, gRPC 9600 or a free one"),
    ],
)
def test_the_ports_of_a_dead_server_are_taken_again_where_they_are_free(asked, said):
    launch = wanted(ONE, rest_port=asked[0], grpc_port=asked[1])
    assert promotion(plan.decide(launch, there(ONE, **PORTED, running=False))) == said
    stopped = there(ONE, **PORTED, running=False, front=Front("g1", False, Path("token")))
    assert promotion(plan.decide(dataclasses.replace(launch, front="g1"), stopped)) == said


LABELLED = dataclasses.replace(ONE, labels=(("stable", 1),))
FACES = ServedModel("faces", (3,), (), ("cc",))
REWRITTEN = dataclasses.replace(ONE, digests=("zz",))


@pytest.mark.parametrize("seamless", [True, False])
@pytest.mark.parametrize(
    ("before", "after", "says"),
    [
        ((ONE,), (TWO,), ["change digits:1 to digits:2"]),
        ((ONE,), (ServedModel("digits", (2,)),), ["change digits:1 to digits:2"]),
        ((TWO,), (ONE,), ["change digits:2 to digits:1"]),
        ((ONE,), (BOTH,), ["change digits:1 to digits:1+2"]),
        ((ONE,), (LABELLED,), ["change digits:1 to digits:1 stable=1"]),
        ((ONE,), (ONE, FACES), ["load faces:3"]),
        ((ONE, FACES), (TWO,), ["unload faces:3", "change digits:1 to digits:2"]),
        ((ONE,), (ONE,), []),
        ((ONE,), (REWRITTEN,), []),
    ],
)
def test_a_replacement_lists_the_changes_of_models_before_it_takes_the_ports(before, after, says, seamless):
    for launch, observed in (
        (wanted(*after, host="127.0.0.2"), there(*before)),
        (wanted(*after), there(*before, running=False)),
    ):
        decided = plan.decide(launch, observed, seamless=seamless)
        assert decided.change in (Change.REPLACE, Change.CREATE)
        actions = [step.action for step in decided.steps]
        changes = [action for action in actions if action.startswith(("change ", "load ", "unload "))]
        assert changes == says
        places = [actions.index(text) for text in says]
        assert all(place < next(n for n, a in enumerate(actions) if ": REST" in a) for place in places)


def test_another_port_is_replace():
    assert (
        plan.decide(wanted(ONE, rest_port=9501), there(ONE)).steps[0].cause == "REST port 9501 is wanted, 8501 is there"
    )
    assert plan.decide(wanted(ONE, grpc_port=9500), there(ONE)).change is Change.REPLACE


def test_other_bytes_under_a_loaded_version_are_replace():
    changed = dataclasses.replace(ONE, digests=("zz",))
    assert "no longer those that were loaded" in plan.decide(wanted(changed), there(ONE)).steps[0].cause


def test_a_dead_server_is_created_again():
    decided = plan.decide(wanted(ONE), there(ONE, running=False))
    assert (decided.change, decided.steps[0].cause) == (Change.CREATE, "the server of release r1 is not running")


def test_remove_names_the_release():
    assert str(plan.remove(there(ONE))).startswith("REMOVE digits [local]\n  stop release r1  (asked for)")


def test_the_rendered_model_config_does_not_change_the_server_digest():
    one = wanted(ONE, rendered=Rendered({"model_config.config": "a", "monitoring.config": "m"}))
    two = wanted(ONE, rendered=Rendered({"model_config.config": "b", "monitoring.config": "m"}))
    three = wanted(ONE, rendered=Rendered({"model_config.config": "a", "monitoring.config": "n"}))
    assert one.server_digest == two.server_digest != three.server_digest


def test_a_tag_that_means_another_image_now_is_replaced_and_both_are_named():
    old, new = "sha256:" + "a" * 64, "sha256:" + "b" * 64
    launch = wanted(ONE, image=NamedImage("serving:1", new))
    decided = plan.decide(launch, there(ONE, image_id=old))
    assert decided.change is Change.REPLACE
    assert f"serving:1 is image {'b' * 12} now, and {'a' * 12} runs" in str(decided)
    for same in (there(ONE, image_id=new), there(ONE)):
        assert plan.decide(launch, same).change is Change.NOTHING
    assert plan.decide(wanted(ONE), there(ONE, image_id=old)).change is Change.NOTHING


GATEWAY = Front("g1", True, Path("token"))


def test_behind_a_gateway_a_replacement_has_no_gap():
    decided = plan.decide(wanted(ONE, front="g1", flags=(("a", "b"),)), there(ONE, front=GATEWAY))
    assert decided.change is Change.REPLACE
    assert "closed" not in str(decided)
    assert "have the gateway send requests to it, from 127.0.0.1" in str(decided)


def test_turning_a_gateway_on_or_off_is_a_replacement_whose_gap_is_told_though_the_engine_is_seamless():
    for decided, cause, until in (
        (plan.decide(wanted(ONE, front="g1"), there(ONE)), "a gateway is wanted", "until the gateway has them"),
        (plan.decide(wanted(ONE), there(ONE, front=GATEWAY)), "no gateway is wanted", "until the new one has loaded"),
    ):
        assert decided.change is Change.REPLACE
        assert f"({cause} in front of it)" in str(decided)
        assert f"its ports are closed {until}" in str(decided)


def test_another_gateway_leaves_the_server_alone():
    assert plan.decide(wanted(ONE, front="g1"), there(ONE, front=GATEWAY)).change is Change.NOTHING
    changed = plan.decide(wanted(ONE, front="g2"), there(ONE, front=GATEWAY))
    assert changed.change is Change.GATEWAY
    assert "limits or template of the gateway differ" in str(changed)
    gone = plan.decide(wanted(ONE, front="g1"), there(ONE, front=Front("", False, Path("token"))))
    assert (gone.change, "the gateway is not running" in str(gone)) == (Change.GATEWAY, True)


def test_a_change_of_models_and_of_the_gateway_are_one_plan():
    decided = plan.decide(wanted(TWO, front="g2"), there(ONE, front=GATEWAY))
    assert decided.change is Change.RELOAD
    assert [step.action for step in decided.steps][:2] == [
        "start a gateway that takes the ports from the one that has them",
        "drain and stop the gateway that was there",
    ]


@pytest.mark.parametrize(
    ("launch", "observed", "starts"),
    [
        (wanted(ONE), None, True),
        (wanted(ONE), there(ONE, running=False), True),
        (wanted(ONE, rest_port=9), there(ONE), True),
        (wanted(TWO), there(ONE), True),
        (wanted(ONE), there(ONE), False),
        (wanted(ONE), there(BOTH), False),
        (wanted(ONE, front="new"), there(ONE, front=Front("old", True, Path())), True),
        (wanted(ONE, front="new"), there(BOTH, front=Front("old", True, Path())), True),
        (wanted(ONE, front="old"), there(BOTH, front=Front("old", True, Path())), False),
    ],
    ids=[
        "nothing there", "dead", "another port", "another version", "the same", "loaded already", "another gateway",
        "loaded already, another gateway", "loaded already, the same gateway",
    ],
)  # fmt: skip
def test_the_engine_must_be_fit_only_where_something_is_started(launch, observed, starts):
    assert plan.starts(plan.decide(launch, observed).change, launch, observed) is starts


def test_a_digest_of_another_form_differs_in_everything():
    cause = plan.decide(wanted(ONE), there(ONE, server_digest="0123456789abcdef")).steps[0].cause
    assert "the flags" in cause
    assert "batching" in cause


def test_a_server_that_would_not_find_its_models_is_replaced_and_not_told_to_reload():
    decided = plan.decide(wanted(TWO), there(ONE), astray="it does not see the store")
    assert (decided.change, decided.steps[0].cause) == (Change.REPLACE, "it does not see the store")
    assert plan.decide(wanted(TWO), there(ONE)).change is Change.RELOAD


def test_a_version_that_is_still_to_be_exported_needs_a_candidate():
    foreseen = ServedModel("digits", (2,))
    assert str(plan.decide(wanted(foreseen), there(ONE))) == str(plan.decide(wanted(TWO), there(ONE)))
