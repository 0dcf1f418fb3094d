"""The plan: a pure function, compared by its text."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import pytest

from deployer.results.deployment import Deployment, Endpoints, Gateway, Launch, NamedImage, Rendered, ServedModel
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
    is_private,
)
from deployer.rollout import plan
from deployer.rollout.plan import Conditions

APART = ["StartCandidate", "VerifyCandidate", "DiscardCandidate"]
RELOAD = ["LoadVersions", "Reload"]
ACCEPTED = ["VerifyServing", "RecordModels"]
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


def kinds(decided: Plan) -> list[str]:
    return [type(step).__name__ for step in decided.all_steps]


def promotion(decided: Plan) -> Promote:
    (found,) = [step for step in decided.steps if isinstance(step, Promote)]
    return found


def test_nothing_there_is_create():
    assert str(plan.decide(wanted(ONE, rest_port=8501), None)) == (
        "CREATE digits [local]\n"
        "  start a candidate with digits:1  (nothing is deployed under this name)\n"
        "  verify the candidate: status, signatures, golden answers over REST and gRPC  "
        "(no unverified server takes traffic)\n"
        "  open its ports on 127.0.0.1: REST 8501, gRPC 8500 or a free one  (the candidate is verified)\n"
        "  wait until it serves at its address  (the change has succeeded only then)"
    )


@pytest.mark.parametrize("observed", [None, there(ONE, running=False)])
def test_a_server_whose_ports_open_at_its_start_is_not_said_to_be_closed(observed):
    decided = plan.decide(wanted(ONE, rest_port=8501), observed, Conditions(zero_downtime=False))
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
    decided, other = (plan.decide(wanted(ONE, image=image), None) for image in images)
    assert says in str(decided)
    assert decided.digest != other.digest


@pytest.mark.parametrize(
    "change", [{"flags": (("a", "b"),)}, {"gateway_digest": "g1"}, {"rendered": Rendered({"batching": "x"})}]
)
def test_the_digest_covers_the_settings_of_the_server(change):
    assert plan.decide(wanted(ONE), None).digest != plan.decide(wanted(ONE, **change), None).digest


def test_the_same_is_nothing_and_is_looked_at():
    decided = plan.decide(wanted(ONE), there(ONE))
    assert (decided.change, kinds(decided), decided.is_change) == (Change.NOTHING, ["CheckServing"], False)


def test_any_port_is_content_with_the_port_that_is_there():
    assert plan.decide(wanted(ONE, rest_port=0, grpc_port=8500), there(ONE)).change is Change.NOTHING


def test_another_version_is_reload():
    assert str(plan.decide(wanted(TWO), there(ONE))) == (
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
    assert kinds(plan.decide(wanted(TWO), there(ONE), conditions)) == steps


def test_versions_that_are_loaded_are_verified_where_they_are():
    decided = plan.decide(wanted(ONE), there(BOTH))
    assert kinds(decided) == ["VerifyServing", "Reload", *ACCEPTED]
    assert [step.again for step in decided.steps if isinstance(step, VerifyServing)] == [False, True]


def test_a_candidate_goes_in_the_background_where_there_is_memory_which_the_digest_leaves_out():
    one, other = (plan.decide(wanted(TWO), there(ONE), Conditions(fits_three=room)) for room in (True, False))
    assert (one != other, one.digest) == (True, other.digest)


def test_models_that_come_and_go_are_named():
    other = ServedModel("faces", (3,), (("stable", 3),), ("cc",))
    (reload,) = [step for step in plan.decide(wanted(other), there(ONE)).steps if isinstance(step, Reload)]
    assert reload.changes == ("point label stable at faces:3", "unload digits:1")
    assert reload.action == "point label stable at faces:3, unload digits:1"


def test_every_new_version_is_part_of_the_cause():
    other = ServedModel("faces", (3,), (), ("cc",))
    changed = [dataclasses.replace(model, versions=(9,), digests=("x",)) for model in (ONE, other)]
    cause = plan.decide(wanted(*changed), there(ONE, other)).steps[0].cause
    assert cause == "newer version digits:9, newer version faces:9"


def test_a_label_alone_is_reload():
    labelled = dataclasses.replace(ONE, labels=(("stable", 1),))
    assert plan.decide(wanted(labelled), there(ONE)).change is Change.RELOAD


def test_what_a_running_server_cannot_take_up_is_replace():
    for change, cause in (
        ({"host": "0.0.0.0"}, "the address"),
        ({"flags": (("a", "b"),)}, "the flags"),
        ({"models_root": "/elsewhere"}, "the models directory"),
        ({"traits": {"cpus": 2}}, "the engine's settings or the store"),
        ({"host": "0.0.0.0", "rendered": Rendered({"monitoring.config": ""})}, "the address, batching or monitoring"),
    ):
        decided = plan.decide(wanted(ONE, **change), there(ONE))
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
    assert ports(plan.decide(wanted(ONE, **flags), there(ONE, **PORTED))) == kept
    assert ports(plan.decide(wanted(ONE, **flags), there(ONE, **PORTED), Conditions(zero_downtime=False))) == kept
    gated = there(ONE, **PORTED, running=True, gateway=GATEWAY)
    assert ports(plan.decide(wanted(ONE, gateway_digest="g1", **flags), gated)) == kept
    behind = there(ONE, **PORTED, running=False, gateway=GATEWAY)
    assert ports(plan.decide(wanted(ONE, gateway_digest="g1", **flags), behind)) == kept


def test_a_replacement_says_the_ports_that_it_changes():
    decided = plan.decide(wanted(ONE, rest_port=9701), there(ONE, **PORTED))
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
    launch = wanted(ONE, rest_port=asked[0], grpc_port=asked[1])
    assert ports(plan.decide(launch, there(ONE, **PORTED, running=False))) == said
    stopped = there(ONE, **PORTED, running=False, gateway=Gateway("g1", False, Path("token")))
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
    launch = wanted(*after, host="127.0.0.2")
    for running, expected in ((True, says), (False, [text for text in says if not text.startswith("unload")])):
        decided = plan.decide(launch, there(*before, running=running), Conditions(zero_downtime=seamless))
        assert decided.change is (Change.REPLACE if running else Change.CREATE)
        assert list(promotion(decided).changes) == expected
        assert all(text in promotion(decided).action for text in expected)


def test_another_port_is_replace():
    assert plan.decide(wanted(ONE, rest_port=9501), there(ONE)).steps[0].cause == "REST port 9501 instead of 8501"
    assert plan.decide(wanted(ONE, grpc_port=9500), there(ONE)).change is Change.REPLACE


def test_a_cause_has_every_difference():
    gateway = Gateway("g1", True, Path(), settings={"image": "a"})
    observed = there(ONE, gateway=gateway, settings={"user": "1"}, flags=(), server_digest=wanted(ONE).server_digest)
    launch = wanted(
        dataclasses.replace(ONE, digests=("zz",)),
        rest_port=9501,
        grpc_port=9500,
        host="::1",
        flags=(("a", "1"),),
        traits={"user": "2"},
        gateway_digest="g2",
        gateway_settings={"image": "b"},
    )
    ports = ("REST port 9501", "gRPC port 9500")
    differences = (*ports, "the address", "user (1, now 2)", "flags.a (none, now 1)", "files")
    disabled = dataclasses.replace(launch, gateway_digest="")
    for desired, says in ((launch, "gateway.image (a, now b)"), (disabled, "the gateway is disabled")):
        cause = plan.decide(desired, observed).steps[0].cause
        assert [text for text in (says, *differences) if text not in cause] == []


@pytest.mark.parametrize(("digest", "differs"), [("", False), ("g1", True), ("g2", False)])
def test_a_gateway_that_is_not_running_has_no_ports_to_hand_over(digest, differs):
    stopped = Gateway(digest, False, Path(), settings={"image": "a"})
    launch = wanted(ONE, gateway_digest="g2", gateway_settings={"image": "b"} if differs else {})
    decided = plan.decide(launch, there(ONE, gateway=stopped))
    assert decided.change is Change.GATEWAY
    assert decided.steps[0].cause.startswith("the gateway is not running")
    assert ("gateway.image (a, now b)" in decided.steps[0].cause) is differs
    assert "takes the ports from" not in str(decided)
    assert "runs until then" not in str(decided)


def test_other_bytes_under_a_loaded_version_are_replace():
    changed = dataclasses.replace(ONE, digests=("zz",))
    assert "no longer those that were loaded" in plan.decide(wanted(changed), there(ONE)).steps[0].cause


def test_a_dead_server_is_created_again():
    decided = plan.decide(wanted(ONE), there(ONE, running=False))
    assert (decided.change, decided.steps[0].cause) == (Change.CREATE, "the old server (digits:1) is not running")


@pytest.mark.parametrize("models", [ONE, TWO])
@pytest.mark.parametrize("verify", [True, False])
def test_no_step_takes_a_dead_server_for_a_running_one(models, verify):
    for observed in (None, there(ONE, running=False), there(ONE, running=False, gateway=Gateway("", False, Path()))):
        decided = plan.decide(wanted(models), observed, Conditions(verify=verify))
        assert "runs until" not in str(decided)
        assert verify or plan.VERIFIED not in str(decided)


def test_no_step_takes_a_server_that_was_stopped_before_for_a_running_one():
    decided = plan.decide(wanted(ONE, host="0.0.0.0"), there(ONE), Conditions(zero_downtime=False))
    assert "runs until" not in str(decided)
    assert "is started again if that fails" in str(decided)


@pytest.mark.parametrize("running", [True, False])
def test_another_gateway_is_accepted_while_the_old_one_runs_if_it_does(running):
    decided = plan.decide(wanted(ONE, gateway_digest="g2"), there(ONE, gateway=Gateway("g1", running, Path())))
    assert ("the old gateway runs until then" in str(decided)) is running
    assert "old server" not in str(decided)


def test_remove_names_the_models():
    (step,) = plan.plan_removal(there(ONE)).steps
    assert (step.models, step.cause) == ((ONE,), "asked for")


@pytest.mark.parametrize(
    ("before", "after", "cause"),
    [
        (
            {"flags": (("a", "1"),)},
            {"flags": (("a", "2"), ("b", "x"))},
            "server.flags.a (1, now 2), server.flags.b (none, now x)",
        ),
        ({"flags": (("a", "1"),)}, {}, "server.flags.a (1, now none)"),
        ({"host": "::1"}, {}, "the address (::1, now 127.0.0.1)"),
        ({"store": Path("/old")}, {"models_root": "/new"}, "the models directory (/old, now /new)"),
    ],
)
def test_a_setting_that_replaces_a_server_is_named_with_both_values(before, after, cause):
    launched = {"models_root": "/old"} if "store" in before else before
    observed = there(ONE, **{"flags": (), **before}, server_digest=wanted(ONE, **launched).server_digest)
    assert plan.decide(wanted(ONE, **after), observed).steps[0].cause == f"changed: {cause}"


@pytest.mark.parametrize(
    ("recorded", "desired", "cause"),
    [
        (("A",), {"A": "secret", "B": "secret"}, "docker.environment (B is new)"),
        (("A", "B"), {"A": "secret"}, "docker.environment (B goes)"),
        (("A",), {"A": "secret"}, "docker.environment (another value of A)"),
        (None, {"A": "secret"}, "docker.environment"),
    ],
)
def test_variables_of_a_container_are_named_without_their_values(recorded, desired, cause):
    observed = there(ONE, settings={"memory": None}, environment=recorded)
    decided = plan.decide(wanted(ONE, traits={"memory": None, "environment": desired}), observed)
    assert decided.steps[0].cause == f"changed: {cause}"


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


GATEWAY = Gateway("g1", True, Path("token"))


def test_behind_a_gateway_a_replacement_has_no_gap():
    decided = plan.decide(wanted(ONE, gateway_digest="g1", flags=(("a", "b"),)), there(ONE, gateway=GATEWAY))
    assert decided.change is Change.REPLACE
    assert promotion(decided).gap == ""
    assert "have the gateway send requests to it, from 127.0.0.1" in str(decided)


def test_turning_a_gateway_on_or_off_is_a_replacement_whose_gap_is_told_though_the_engine_is_seamless():
    for decided, cause, until in (
        (plan.decide(wanted(ONE, gateway_digest="g1"), there(ONE)), "a gateway is enabled", "the gateway has them"),
        (plan.decide(wanted(ONE), there(ONE, gateway=GATEWAY)), "the gateway is disabled", "the new one has loaded"),
    ):
        assert decided.change is Change.REPLACE
        assert f"({cause})" in str(decided)
        assert promotion(decided).gap == until


LOST = Gateway("g1", True, Path("token"), lost=True)


@pytest.mark.parametrize(
    ("observed", "change", "cause"),
    [
        (there(ONE, config_lost=True, directory=Path("/state/r1")), Change.REPLACE, "/state/r1 is gone"),
        (there(ONE, config_lost=True, gateway=LOST), Change.REPLACE, "the gateway's directory is gone"),
        (there(ONE, gateway=LOST), Change.GATEWAY, "the gateway's directory is gone"),
    ],
)
def test_a_lost_directory_is_a_change_and_its_cause(observed, change, cause):
    decided = plan.decide(wanted(ONE, gateway_digest="g1" if observed.gateway else ""), observed)
    assert (decided.change, cause in str(decided)) == (change, True)
    assert "the old gateway runs until then" not in str(decided)


@pytest.mark.parametrize(
    ("settings", "digest", "cause"),
    [
        ({"image": "b", "tls": False}, "2.1.1.1.1", "changed: gateway.image (a, now b)"),
        ({"image": "a", "tls": True}, "1.2.1.2.1", "changed: gateway.tls (false, now true)"),
        ({"image": "a", "tls": False}, "1.1.2.1.1", "changed: the gateway's tokens"),
        ({"image": "b", "tls": False}, "2.1.1.2.1", "changed: gateway.image (a, now b), the gateway's certificate"),
        ({"image": "a", "tls": False}, "1.2.1.1.1", "changed: the gateway's template"),
    ],
)
def test_another_gateway_says_what_is_another(settings, digest, cause):
    running = Gateway("1.1.1.1.1", True, Path(), settings={"image": "a", "tls": False})
    launch = wanted(ONE, gateway_digest=digest, gateway_settings=settings)
    assert plan.decide(launch, there(ONE, gateway=running)).steps[0].cause == cause


@pytest.mark.parametrize("image_id", ["sha256:aa", ""])
@pytest.mark.parametrize(
    ("observed", "changes", "starts"),
    [
        (None, {}, True),
        (there(ONE), {}, True),
        (there(ONE, gateway=GATEWAY), {"gateway_digest": "g2"}, True),
        (there(ONE, gateway=GATEWAY), {"gateway_digest": "g2", "flags": (("a", "b"),)}, True),
        (there(ONE, gateway=Gateway("", False, Path())), {}, True),
        (there(ONE, running=False, gateway=Gateway("g1", False, Path())), {}, True),
        (there(ONE, gateway=GATEWAY), {"flags": (("a", "b"),)}, False),
        (there(ONE, running=False, gateway=GATEWAY), {}, False),
        (there(ONE, gateway=GATEWAY), {"gateway_digest": "", "gateway_image": None}, False),
    ],
)
def test_the_image_of_a_gateway_that_starts_is_part_of_the_plan(observed, changes, starts, image_id):
    image = NamedImage("proxy:1", image_id)
    launch = wanted(ONE, **{"gateway_digest": "g1", "gateway_image": image, **changes})
    text = str(plan.decide(launch, observed))
    assert (text.count("image proxy:1"), "which is pulled first" in text) == (starts, starts and not image_id)


def test_another_gateway_leaves_the_server_alone():
    assert plan.decide(wanted(ONE, gateway_digest="g1"), there(ONE, gateway=GATEWAY)).change is Change.NOTHING
    changed = plan.decide(wanted(ONE, gateway_digest="g2"), there(ONE, gateway=GATEWAY))
    assert changed.change is Change.GATEWAY
    assert "changed: the gateway's image" in str(changed)
    gone = plan.decide(wanted(ONE, gateway_digest="g1"), there(ONE, gateway=Gateway("", False, Path("token"))))
    assert (gone.change, "the gateway is not running" in str(gone)) == (Change.GATEWAY, True)


def test_a_change_of_models_and_of_the_gateway_are_one_plan():
    decided = plan.decide(wanted(TWO, gateway_digest="g2"), there(ONE, gateway=GATEWAY))
    assert decided.change is Change.RELOAD
    assert kinds(decided) == ["ReplaceGateway", "AwaitServing", *APART, *RELOAD, *ACCEPTED]


@pytest.mark.parametrize(
    ("launch", "observed", "starts"),
    [
        (wanted(ONE), None, True),
        (wanted(ONE), there(ONE, running=False), True),
        (wanted(ONE, rest_port=9), there(ONE), True),
        (wanted(TWO), there(ONE), True),
        (wanted(ONE), there(ONE), False),
        (wanted(ONE), there(BOTH), False),
        (wanted(ONE, gateway_digest="new"), there(ONE, gateway=Gateway("old", True, Path())), True),
        (wanted(ONE, gateway_digest="new"), there(BOTH, gateway=Gateway("old", True, Path())), True),
        (wanted(ONE, gateway_digest="old"), there(BOTH, gateway=Gateway("old", True, Path())), False),
    ],
    ids=[
        "nothing there", "dead", "another port", "another version", "the same", "loaded already", "another gateway",
        "loaded already, another gateway", "loaded already, the same gateway",
    ],
)  # fmt: skip
def test_the_engine_must_be_fit_only_where_something_is_started(launch, observed, starts):
    assert plan.starts_server(plan.decide(launch, observed)) is starts


def test_a_digest_of_another_form_differs_in_everything():
    cause = plan.decide(wanted(ONE), there(ONE, server_digest="0123456789abcdef")).steps[0].cause
    assert "the flags" in cause
    assert "batching" in cause


def test_a_server_that_would_not_find_its_models_is_replaced_and_not_told_to_reload():
    decided = plan.decide(wanted(TWO), there(ONE), Conditions(reload_obstacle="it does not see the store"))
    assert (decided.change, decided.steps[0].cause) == (Change.REPLACE, "it does not see the store")
    assert plan.decide(wanted(TWO), there(ONE)).change is Change.RELOAD


def test_a_version_that_is_still_to_be_exported_needs_a_candidate():
    foreseen = ServedModel("digits", (2,))
    assert str(plan.decide(wanted(foreseen), there(ONE))) == str(plan.decide(wanted(TWO), there(ONE)))


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
    assert [is_private(step.action) for step in (*private, *public)] == [True] * len(private) + [False] * len(public)
