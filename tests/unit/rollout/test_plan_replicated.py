"""The plan for an engine that runs several servers of a deployment, compared by its text."""

from __future__ import annotations

import dataclasses

import pytest
from support.launches import ONE, TWO, launch_of, serving

from deployer.results.deployment import Gateway
from deployer.results.launch import NamedImage
from deployer.results.plan import Change, Plan
from deployer.rollout import plan
from deployer.rollout.plan import Conditions

HERE = Conditions(replicated=True)
GATEWAY = "i.t.k.c.a"


def three(*models, **changes):
    return launch_of(*models, **{"replicas": 3, "gateway_digest": GATEWAY, **changes})


def deployed(*models, **changes):
    gateway = Gateway(GATEWAY, running=True, token=serving().directory)
    return serving(*models, **{"replicas": 3, "gateway": gateway, **changes})


def kinds(decided: Plan) -> list[str]:
    return [type(step).__name__ for step in decided.all_steps]


def test_the_first_servers_start_once_a_candidate_is_verified():
    gateway_image = NamedImage("haproxy:3", "")
    decided = plan.decide(three(ONE, rest_port=8501, gateway_image=gateway_image), None, HERE)
    assert str(decided) == (
        "CREATE digits [local]\n"
        "  start a candidate with digits:1  (nothing is deployed under this name)\n"
        "  verify the candidate: status, signatures, golden answers over REST and gRPC  "
        "(no unverified server takes traffic)\n"
        "  discard the candidate and start 3 servers like it, behind new gateways (image haproxy:3) at 127.0.0.1: "
        "REST 8501, gRPC 8500 or a free one  (the candidate is verified)\n"
        "  wait until it serves at its address  (the change has succeeded only then)"
    )


def test_another_version_replaces_the_servers_in_turn_and_is_never_a_reload():
    decided = plan.decide(three(TWO), deployed(ONE), HERE)
    assert str(decided) == (
        "REPLACE digits [local]\n"
        "  start a candidate with digits:2  (newer version digits:2)\n"
        "  verify the candidate: status, signatures, golden answers over REST and gRPC  "
        "(no unverified server takes traffic)\n"
        "  discard the candidate and replace the servers of digits:1 in turn by 3 servers like it, behind the gateways "
        "at 127.0.0.1: REST 8501, gRPC 8500: an old one drains and stops once a new one is healthy, and both answer "
        "until the last; load digits:2, unload digits:1  (the candidate is verified)\n"
        "  wait until it serves at its address  (the old servers replace the new ones in turn if that fails)\n"
        "  verify the serving server: status, signatures, golden answers over REST and gRPC  "
        "(the old servers replace the new ones in turn if that fails)"
    )


def test_other_files_of_the_same_version_are_the_cause_and_no_labels():
    image = NamedImage("r.example.com/m@sha256:bb", "sha256:bb")
    observed = deployed(ONE, image_name="r.example.com/m@sha256:aa", image_id="sha256:aa")
    decided = plan.decide(three(dataclasses.replace(ONE, digests=("other",)), image=image), observed, HERE)
    assert decided.change is Change.REPLACE
    assert "the files of digits:1 are no longer those that were loaded" in decided.steps[0].cause
    assert "labels" not in decided.steps[0].cause


def test_labels_that_differ_are_the_cause():
    decided = plan.decide(three(dataclasses.replace(ONE, labels=(("live", 1),))), deployed(ONE), HERE)
    assert (decided.change, decided.steps[0].cause) == (Change.REPLACE, "the labels differ")


def test_the_number_alone_is_scaled():
    decided = plan.decide(three(ONE, replicas=5), deployed(ONE), HERE)
    assert (decided.change, kinds(decided)) == (Change.SCALE, ["Scale", "CheckServing"])
    assert "start 2 more servers: 5 instead of 3  (changed: swarm.replicas (3, now 5))" in str(decided)
    fewer = plan.decide(three(ONE, replicas=1), deployed(ONE), HERE)
    assert "drain and stop 2 servers: 1 instead of 3" in str(fewer)


def test_the_same_number_is_nothing():
    assert plan.decide(three(ONE), deployed(ONE), HERE).change is Change.NOTHING


def test_a_replacement_takes_the_number_with_it():
    decided = plan.decide(three(TWO, replicas=5), deployed(ONE), HERE)
    assert decided.change is Change.REPLACE
    assert "in turn by 5 servers" in str(decided)


def test_a_changed_gateway_is_replaced_node_by_node_and_the_number_follows():
    decided = plan.decide(three(ONE, replicas=2, gateway_digest="i.t.k.c.b"), deployed(ONE), HERE)
    assert (decided.change, kinds(decided)) == (
        Change.GATEWAY,
        ["ReplaceGateway", "AwaitServing", "Scale", "CheckServing"],
    )
    assert "replace the gateways, one machine after the other" in str(decided)


def test_measured_traffic_judges_a_scale():
    conditions = dataclasses.replace(HERE, measure_rate=50.0)
    decided = plan.decide(three(ONE, replicas=5), deployed(ONE), conditions)
    assert kinds(decided) == ["Scale", "JudgeTraffic", "CheckServing"]


def test_a_lost_gateway_closes_no_ports_for_a_replacement():
    assert "closed until" not in str(plan.decide(three(TWO), deployed(ONE, gateway=None), HERE))


def test_the_nodes_pull_the_image_themselves():
    decided = plan.decide(three(ONE, image=NamedImage("r.example.com/m@sha256:aa", "")), None, HERE)
    assert "pulled first" not in str(decided)


@pytest.mark.parametrize(("before", "after", "change"), [(3, 3, Change.NOTHING), (3, 5, Change.SCALE)])
def test_the_plan_of_scale(before, after, change):
    decided = plan.plan_scale(deployed(ONE, replicas=before), after)
    assert (decided.change, decided.is_change) == (change, change is Change.SCALE)
    assert decided.all_steps[-1].kind == "await_serving"


def test_engines_of_one_server_are_not_scaled():
    assert plan.decide(launch_of(ONE), serving(ONE)).change is Change.NOTHING


def test_changed_placement_is_named_with_both_values():
    def settings(constraints):
        return {"memory": None, "swarm": {"constraints": constraints, "spread": None}}

    launch = three(ONE, traits=settings(["node.role==worker"]))
    observed = deployed(ONE, settings=settings([]))
    decided = plan.decide(launch, observed, HERE)
    assert decided.change is Change.REPLACE
    assert "changed: swarm.constraints (none, now node.role==worker)" in str(decided)


def test_changed_variables_are_named_where_servers_record_their_names():
    def settings(*names):
        return {"memory": None, "environment": dict.fromkeys(names)}

    observed = deployed(ONE, settings=settings("TOKEN", "OLD"), environment=("OLD", "TOKEN"))
    renamed = plan.decide(three(ONE, traits=settings("TOKEN", "NEW")), observed, HERE)
    assert "changed: docker.environment (NEW is new, OLD goes)" in str(renamed)
    launch = three(ONE, traits=settings("TOKEN", "OLD"), changed_variables=("TOKEN",))
    observed = deployed(ONE, settings=settings("TOKEN", "OLD"), environment=("OLD", "TOKEN"))
    observed = dataclasses.replace(observed, server_digest=launch.server_digest)
    assert "changed: docker.environment (TOKEN has changed)" in str(plan.decide(launch, observed, HERE))
