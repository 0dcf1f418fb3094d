"""The causes of a plan: each difference between a launch and a deployment, with both values."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import pytest
from support.launches import ONE, launch_of, serving

from deployer.config.render import render
from deployer.config.spec import Batching, Monitoring
from deployer.results.deployment import Gateway
from deployer.results.launch import BATCHING_CONFIG, NamedImage, Rendered
from deployer.results.plan import Change
from deployer.results.served import ServedModel
from deployer.results.steps import Promote
from deployer.rollout import plan


def test_every_new_version_is_part_of_the_cause():
    other = ServedModel("faces", (3,), (), ("cc",))
    changed = [dataclasses.replace(model, versions=(9,), digests=("x",)) for model in (ONE, other)]
    cause = plan.decide(launch_of(*changed), serving(ONE, other)).steps[0].cause
    assert cause == "newer version digits:9, newer version faces:9"


def test_another_port_is_replace():
    assert plan.decide(launch_of(ONE, rest_port=9501), serving(ONE)).steps[0].cause == "REST port 9501 instead of 8501"
    assert plan.decide(launch_of(ONE, grpc_port=9500), serving(ONE)).change is Change.REPLACE


def test_a_cause_has_every_difference():
    gateway = Gateway("g1", True, Path(), settings={"image": "a"})
    observed = serving(
        ONE, gateway=gateway, settings={"user": "1"}, flags=(), server_digest=launch_of(ONE).server_digest
    )
    launch = launch_of(
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


def test_other_bytes_under_a_loaded_version_are_replace():
    changed = dataclasses.replace(ONE, digests=("zz",))
    assert "no longer those that were loaded" in plan.decide(launch_of(changed), serving(ONE)).steps[0].cause


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
    observed = serving(ONE, **{"flags": (), **before}, server_digest=launch_of(ONE, **launched).server_digest)
    assert plan.decide(launch_of(ONE, **after), observed).steps[0].cause == f"changed: {cause}"


BATCHING, OTHER_BATCHING = (Batching(max_batch_size=size) for size in (32, 64))
MONITORING = Monitoring()


@pytest.mark.parametrize(
    ("before", "after", "cause"),
    [
        ({}, {"batching": BATCHING}, "[batching] is new"),
        ({"monitoring": MONITORING}, {}, "[monitoring] goes"),
        ({"batching": BATCHING}, {"monitoring": MONITORING}, "[batching] goes, [monitoring] is new"),
        ({"batching": BATCHING}, {"batching": OTHER_BATCHING}, "batching.max_batch_size (32, now 64)"),
        (
            {"batching": OTHER_BATCHING, "monitoring": MONITORING},
            {"batching": Batching(max_batch_size=64, allowed_batch_sizes=(8, 64)), "monitoring": MONITORING},
            "batching.allowed_batch_sizes (none, now 8 64)",
        ),
        (
            {"monitoring": MONITORING},
            {"monitoring": Monitoring(path="/m")},
            'monitoring.path ("/monitoring/prometheus/metrics", now "/m")',
        ),
    ],
)
def test_batching_and_monitoring_are_told_apart_by_the_files_of_the_server(before, after, cause):
    old, new = (render((ONE,), "/models", **tables) for tables in (before, after))
    observed = serving(ONE, server_digest=launch_of(ONE, rendered=old).server_digest)
    decided = plan.decide(launch_of(ONE, rendered=new), observed, plan.Conditions(files=old.files))
    assert decided.steps[0].cause == f"changed: {cause}"
    unknown = plan.decide(launch_of(ONE, rendered=new), observed)
    assert unknown.steps[0].cause == "changed: batching or monitoring"


def test_files_of_a_template_of_ones_own_are_named_by_their_table():
    old, new = (Rendered({BATCHING_CONFIG: text}) for text in ("a { b: 1 }", "a { b: 2 }"))
    observed = serving(ONE, server_digest=launch_of(ONE, rendered=old).server_digest)
    decided = plan.decide(launch_of(ONE, rendered=new), observed, plan.Conditions(files=old.files))
    assert decided.steps[0].cause == "changed: [batching]"


@pytest.mark.parametrize("engine", ["embedded", "docker"])
def test_a_version_of_another_store_is_not_taken_for_files_that_changed(engine):
    changed = dataclasses.replace(ONE, digests=("zz",))
    there = {"models_root": "/new"} if engine == "embedded" else {"traits": {"store": "/new"}}
    settings = {} if engine == "embedded" else {"store": "/old"}
    cause = plan.decide(launch_of(changed, **there), serving(ONE, store=Path("/old"), settings=settings)).steps[0].cause
    assert "(/old, now /new)" in cause
    assert "digits:1 has other files in the new store" in cause
    assert "no longer those" not in cause
    same = {name: "/old" if isinstance(value, str) else {"store": "/old"} for name, value in there.items()}
    cause = plan.decide(launch_of(changed, **same), serving(ONE, store=Path("/old"), settings=settings)).steps[0].cause
    assert "digits:1 are no longer those that were loaded" in cause


@pytest.mark.parametrize(
    ("desired", "new"),
    [({}, False), ({"rest_port": 8501}, False), ({"rest_port": 9501}, True), ({"host": "::1"}, True)],
)
def test_another_address_needs_another_gateway(desired, new):
    gateway = Gateway("g1", True, Path(), settings={"image": "a"})
    image = NamedImage("proxy:1", "")
    launch = launch_of(ONE, gateway_digest="g1", gateway_image=image, flags=(("a", "1"),), **desired)
    observed = serving(ONE, gateway=gateway, host="127.0.0.1")
    (promote,) = [step for step in plan.decide(launch, observed).steps if isinstance(step, Promote)]
    assert (promote.image, promote.missing) == (("proxy:1", True) if new else ("", False))
    assert ("a new gateway" in promote.action) is new


@pytest.mark.parametrize(
    ("recorded", "desired", "changed", "cause"),
    [
        (("A",), "AB", "", "docker.environment (B is new)"),
        (("A", "B"), "A", "", "docker.environment (B goes)"),
        (("A",), "A", "A", "docker.environment (A has changed)"),
        (("A", "B", "C"), "BCD", "BC", "docker.environment (D is new, A goes, B has changed, C has changed)"),
        (("A",), "A", "", "docker.environment"),
        (None, "A", "", "docker.environment"),
    ],
)
def test_variables_of_a_container_are_named(recorded, desired, changed, cause):
    """With the digest of an older version, which had the values in it."""
    observed = serving(ONE, settings={"memory": None}, environment=recorded)
    traits = {"memory": None, "environment": dict.fromkeys(desired)}
    decided = plan.decide(launch_of(ONE, traits=traits, changed_variables=tuple(changed)), observed)
    assert decided.steps[0].cause == f"changed: {cause}"


def test_another_value_of_a_variable_alone_replaces_a_server():
    launch = launch_of(ONE, traits={"memory": None, "environment": {"A": None}})
    observed = serving(ONE, settings={"memory": None}, environment=("A",), server_digest=launch.server_digest)
    assert plan.decide(launch, observed).change is Change.NOTHING
    decided = plan.decide(dataclasses.replace(launch, changed_variables=("A",)), observed)
    assert decided.change is Change.REPLACE
    assert decided.steps[0].cause == "changed: docker.environment (A has changed)"


def test_a_tag_that_means_another_image_now_is_replaced_and_both_are_named():
    old, new = "sha256:" + "a" * 64, "sha256:" + "b" * 64
    launch = launch_of(ONE, image=NamedImage("serving:1", new))
    decided = plan.decide(launch, serving(ONE, image_id=old))
    assert decided.change is Change.REPLACE
    assert f"serving:1 is image {'b' * 12} now, and {'a' * 12} runs" in str(decided)
    for same in (serving(ONE, image_id=new), serving(ONE)):
        assert plan.decide(launch, same).change is Change.NOTHING
    assert plan.decide(launch_of(ONE), serving(ONE, image_id=old)).change is Change.NOTHING


LOST = Gateway("g1", True, Path("token"), lost=True)


@pytest.mark.parametrize(
    ("observed", "change", "cause"),
    [
        (serving(ONE, config_lost=True, directory=Path("/state/r1")), Change.REPLACE, "/state/r1 is gone"),
        (serving(ONE, config_lost=True, gateway=LOST), Change.REPLACE, "the gateway's directory is gone"),
        (serving(ONE, gateway=LOST), Change.GATEWAY, "the gateway's directory is gone"),
    ],
)
def test_a_lost_directory_is_a_change_and_its_cause(observed, change, cause):
    decided = plan.decide(launch_of(ONE, gateway_digest="g1" if observed.gateway else ""), observed)
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
    launch = launch_of(ONE, gateway_digest=digest, gateway_settings=settings)
    assert plan.decide(launch, serving(ONE, gateway=running)).steps[0].cause == cause


def test_a_digest_of_another_form_differs_in_everything():
    cause = plan.decide(launch_of(ONE), serving(ONE, server_digest="0123456789abcdef")).steps[0].cause
    assert "the flags" in cause
    assert "batching" in cause
