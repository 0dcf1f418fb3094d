"""The plan of a change of models: the running server reloads."""

from __future__ import annotations

import dataclasses

import pytest
from support.launches import ACCEPTED, APART, BOTH, ONE, RELOAD, TWO, kinds, launch_of, serving

from deployer.results.plan import Change
from deployer.results.served import ServedModel
from deployer.results.steps import Reload, VerifyServing
from deployer.rollout import plan
from deployer.rollout.plan import Conditions


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


def test_a_server_that_would_not_find_its_models_is_replaced_and_not_told_to_reload():
    decided = plan.decide(launch_of(TWO), serving(ONE), Conditions(reload_obstacle="it does not see the store"))
    assert (decided.change, decided.steps[0].cause) == (Change.REPLACE, "it does not see the store")
    assert plan.decide(launch_of(TWO), serving(ONE)).change is Change.RELOAD


def test_a_version_that_is_still_to_be_exported_needs_a_candidate():
    foreseen = ServedModel("digits", (2,))
    assert str(plan.decide(launch_of(foreseen), serving(ONE))) == str(plan.decide(launch_of(TWO), serving(ONE)))
