"""The Swarm engine on three real nodes: releases come, change and go, and what cannot be is refused."""

from __future__ import annotations

import os
import time

import pytest
from support.cluster import Cluster
from support.swarm_site import ENV, NAME, Site, answers, ask, serves
from support.world import eventually

from deployer.config.interpolation import Secret
from deployer.config.swarm import Swarm
from deployer.engines.base import CANDIDATE, SERVING, Address
from deployer.engines.docker import shared_lock
from deployer.engines.swarm import tasks as task_list
from deployer.errors import EngineError, LockHeld, NotOurs, PortTaken, SettingRefused
from deployer.results.deployment import Deployment, Endpoints

pytestmark = pytest.mark.timeout(900)
PATIENCE = 60


def test_a_release_is_created_updated_scaled_and_removed_without_a_trace(
    site: Site, swarm_images: dict[str, str], cluster: Cluster
) -> None:
    engine = site.engine(swarm_images["one"])
    assert not [finding for finding in engine.preflight.platform() if "Swarm of 3 nodes" not in finding.message][3:]
    with engine.locks.acquire(NAME, ENV, 0.0):
        candidate = engine.stage(site.launch(engine, replicas=3))
        assert (candidate.role, candidate.running, candidate.replicas) == (CANDIDATE, True, 3)
        assert engine.observe(NAME, ENV) is None
        assert engine.inventory.names() == ((NAME, ENV),)
        assert candidate.forwarded
        eventually(lambda: answering_now(candidate) == "1", "the candidate answers")
        assert engine.exit_reason(candidate) is None
        first = engine.promote(candidate, 15.0, lambda accepted: seen.append(accepted) if answers(accepted) else None)
    (accepted,) = seen
    assert accepted.endpoints == first.endpoints
    assert (first.role, first.running, first.replicas, first.release) == (SERVING, True, 3, candidate.release)
    assert first.running_replicas == 3
    assert [(node.name, node.replicas) for node in first.nodes] == [("node1", 1), ("node2", 1), ("node3", 1)]
    assert answers(first) == {"1"}
    assert serves(engine, first)
    assert engine.inventory.observe_all() == (first,)
    lines = list(engine.logs(first))
    written = sorted(line.text.partition("@node")[2] for line in lines)
    assert written == [f"{node} | version 1 starts" for node in (1, 2, 3)]
    assert len(list(engine.logs(first, 2))) == 2
    assert all(line.time for line in lines)
    assert list(engine.logs(first, since=time.time() + 3600)) == []
    engine.preflight.address(NAME, ENV, Address("0.0.0.0", first.rest_port, first.grpc_port))

    second = site.deploy(site.engine(swarm_images["two"]))
    assert (second.rest_port, second.grpc_port, second.replicas) == (first.rest_port, first.grpc_port, 3)
    assert answers(second) == {"2"}
    assert {line.text.partition(" | ")[2] for line in engine.logs(second)} == {"version 2 starts"}
    assert engine.exit_reason(first) == "its service is gone"
    with engine.locks.acquire(NAME, ENV, 0.0):
        engine.discard(first)
        assert serves(engine, second)
        assert engine.scale(second, 5).running_replicas == 5
        fewer = engine.scale(second, 1)
    assert (fewer.replicas, fewer.running_replicas) == (1, 1)
    assert answers(fewer) == {"2"}
    assert site.deploy(engine).replicas == 1
    name = site.service()["Spec"]["Name"]
    site.remove(engine)
    assert engine.inventory.names() == ()
    assert engine.observe(NAME, ENV) is None
    eventually(lambda: site.left() == [], "nothing is left", PATIENCE)
    kept = ("ps", "--all", "--quiet", "--filter", f"name={name}")
    eventually(lambda: not any(node.docker(*kept) for node in cluster.nodes), "no container is left", PATIENCE)


seen: list[Deployment] = []


def answering_now(candidate: Deployment) -> str:
    try:
        return ask(candidate.client_route[0].rest)
    except OSError:
        return ""


def test_a_candidate_that_ends_is_never_promoted_and_tells_why(site: Site, swarm_images: dict[str, str]) -> None:
    engine = site.engine(swarm_images["fails"])
    with engine.locks.acquire(NAME, ENV, 0.0):
        candidate = engine.stage(site.launch(engine))
        eventually(lambda: engine.exit_reason(candidate) is not None, "it has ended")
        assert "exit code 3" in str(engine.exit_reason(candidate))
        assert [line.text for line in engine.logs(candidate)] == ["going down"]
        with pytest.raises(EngineError, match="cannot be promoted"):
            engine.promote(candidate, 15.0, lambda _: None)
        engine.discard(candidate)
        engine.discard(candidate)
        assert list(engine.logs(candidate)) == []
    assert engine.inventory.names() == ()


def test_two_managers_share_the_lock(site: Site, cluster: Cluster, monkeypatch: pytest.MonkeyPatch) -> None:
    here, there = site.engine("x:1"), site.engine("x:1", host=cluster.nodes[1].socket)
    with here.locks.acquire(NAME, ENV, 0.0):
        owner = there.locks.owner(NAME, ENV)
        assert owner is not None
        assert owner.pid == os.getpid()
        lock = there.host.shared_lock(NAME, ENV)
        with pytest.raises(LockHeld, match="is being worked on by process"), lock.hold(0.2):
            pass
    monkeypatch.setattr(shared_lock, "HEARTBEAT_SECONDS", 0.1)
    with here.locks.acquire(NAME, ENV, 0.0):
        found = lock.inspect()
        assert found is not None
        eventually(lambda: (lock.inspect() or found).heartbeats > 2, "the holder is alive")
        lock.remove(found.id)
        with pytest.raises(LockHeld, match="was lost"):
            here.locks.check(here_deployment(site))
    assert site.left() == []


def here_deployment(site: Site) -> Deployment:
    return Deployment(
        NAME, ENV, "swarm", "r", CANDIDATE, (), Endpoints("", ""), 1, 2, "d", "", True, None, site.directory
    )


def test_secrets_reach_the_server_and_stand_in_no_description(
    site: Site, swarm_images: dict[str, str], cluster: Cluster
) -> None:
    def secret(value: str) -> dict[str, str]:
        return {"TOKEN": Secret.of("${TOKEN}", (), lambda: value), "VERSION": "9"}

    engine = site.engine(swarm_images["one"], environment=secret("open sesame"))
    first = site.deploy(engine, replicas=2)
    assert answers(first) == {"9 open sesame"}
    assert first.environment == ("TOKEN", "VERSION")
    described = [site.node.docker(kind, "inspect", name) for kind, name in map(str.split, site.left())]
    for node in cluster.nodes:
        ids = node.docker("ps", "--quiet", "--filter", f"label=deployer.release={first.release}").split()
        described += [node.docker("inspect", each) for each in ids]
    assert len(described) > 4
    assert not [text for text in described if "sesame" in text]
    assert engine.changed_variables(NAME, ENV) == ()
    other = site.engine(swarm_images["one"], environment={**secret("open rye"), "VERSION": "8"})
    assert other.changed_variables(NAME, ENV) == ("TOKEN", "VERSION")
    assert answers(site.deploy(other)) == {"8 open rye"}
    assert len([line for line in site.left() if line.startswith("secret ") and "gateway" not in line]) == 1


def test_what_the_swarm_cannot_do_is_refused_and_nothing_is_left_half_done(
    site: Site, swarm_images: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    engine = site.engine(swarm_images["one"], swarm=Swarm(drain_seconds=1, monitor_seconds=1, max_per_node=1))
    first = site.deploy(engine, replicas=2)
    monkeypatch.setattr(task_list, "PENDING_SECONDS", 2.0)
    with engine.locks.acquire(NAME, ENV, 0.0):
        with pytest.raises(EngineError, match="does not start"):
            engine.scale(first, 4)
        eventually(lambda: serves(engine, first), "it is as before")
        nowhere = site.engine(swarm_images["one"], swarm=Swarm(constraints=("node.hostname==nowhere",)))
        with pytest.raises(EngineError, match="no suitable node"):
            nowhere.stage(site.launch(nowhere))
        engine.recover(NAME, ENV)
        with pytest.raises(SettingRefused):
            engine.render("compose", site.launch(engine))
        for change in (lambda: engine.write_config(first, site.launch(engine).rendered, ()),
                       lambda: engine.mark_serving(first, ())):  # fmt: skip
            with pytest.raises(EngineError, match="in its image"):
                change()
    other = Site(site.directory, site.host, site.gateway_image, site.node, name="other")
    with pytest.raises(PortTaken, match=f"port {first.rest_port} is taken by the deployment {NAME}"):
        other.deploy(engine, rest_port=first.rest_port)
    with pytest.raises(PortTaken):
        engine.preflight.address("other", ENV, Address("0.0.0.0", None, first.grpc_port))
    assert str(engine.inventory.port_holder(first.rest_port)).startswith(f"the deployment {NAME}")
    assert engine.inventory.names() == ((NAME, ENV),)
    assert serves(engine, first)


def test_a_service_of_somebody_else_with_the_name_is_left_alone(site: Site, swarm_images: dict[str, str]) -> None:
    engine = site.engine(swarm_images["one"])
    name = engine.host.state.name(NAME, ENV)
    site.node.docker("service", "create", "--detach", "--name", name, "--replicas", "0", swarm_images["one"])
    try:
        with pytest.raises(NotOurs, match=name):
            site.deploy(engine)
        assert engine.observe(NAME, ENV) is None
        assert [name in conflict for conflict in engine.inventory.conflicts(NAME, ENV)] == [True]
        site.remove(engine)
        assert name in site.node.docker("service", "ls", "--format", "{{.Name}}")
    finally:
        site.node.docker("service", "rm", name)


def test_a_manager_that_is_reached_by_ssh_alone_is_enough(
    site: Site, swarm_images: dict[str, str], cluster: Cluster, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", str(cluster.ssh_path), prepend=os.pathsep)
    engine = site.engine(swarm_images["one"], host=cluster.ssh)
    asked = []
    deployed = site.deploy(engine, lambda accepted: asked.append(ask(accepted.client_route[0].rest)), replicas=2)
    assert asked == ["1"]
    assert deployed.forwarded
    assert deployed.endpoints.rest == f"http://{cluster.nodes[1].address}:{deployed.rest_port}"
    assert site.engine(swarm_images["one"]).observe(NAME, ENV) is not None
    site.remove(engine)


def test_a_manager_by_tls_places_servers_by_platform_with_shared_memory(
    site: Site, swarm_images: dict[str, str], cluster: Cluster, monkeypatch: pytest.MonkeyPatch
) -> None:
    manager = cluster.nodes[2]
    monkeypatch.setenv("DOCKER_TLS_VERIFY", "1")
    monkeypatch.setenv("DOCKER_CERT_PATH", str(cluster.certificates))
    platform = f"linux/{manager.docker('version', '--format', '{{.Server.Arch}}')}"
    engine = site.engine(swarm_images["one"], host=manager.tcp, platform=platform, shm_size="128m")
    deployed = site.deploy(engine, replicas=3)
    assert deployed.endpoints.rest == f"http://{manager.address}:{deployed.rest_port}"
    assert answers(deployed) == {"1"}
    container = manager.docker("ps", "--quiet", "--filter", f"label=deployer.release={deployed.release}")
    assert " 131072 " in manager.docker("exec", container, "df", "--block-size=1024", "/dev/shm")
    site.remove(engine)
