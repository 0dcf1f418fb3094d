"""The Swarm engine on three real nodes: releases come, change and go; what fails or is killed is undone."""

from __future__ import annotations

import dataclasses
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
import requests
from support.cluster import Cluster
from support.swarm_site import ENV, NAME, PROJECT, Site, answering, answers, ask, ending, on_nodes
from support.world import eventually

from deployer.config.interpolation import Secret
from deployer.config.swarm import Swarm
from deployer.engines.base import CANDIDATE, SERVING, Address
from deployer.engines.docker import shared_lock
from deployer.engines.swarm import tasks as task_list
from deployer.engines.swarm.engine import SwarmEngine
from deployer.errors import EngineError, LockHeld, NotOurs, PortTaken, SettingRefused
from deployer.results.deployment import Deployment, Endpoints

pytestmark = pytest.mark.timeout(900)
PATIENCE = 60


@pytest.fixture(scope="module")
def images(cluster: Cluster, gateway_image: str) -> dict[str, str]:
    """The ids of images that each node has: `one` and `two` answer, `ends` ends after some seconds, `fails` at once."""
    names = {
        "one": answering(gateway_image, 1),
        "two": answering(gateway_image, 2),
        "ends": ending(gateway_image, 3),
        "fails": ending(gateway_image, 0),
    }
    ids = on_nodes(cluster, *names.values())
    return {key: ids[name] for key, name in names.items()}


@pytest.fixture
def site(cluster: Cluster, gateway_image: str, tmp_path: Path) -> Iterator[Site]:
    node = cluster.nodes[0]
    made = Site(tmp_path, node.socket, gateway_image, node)
    yield made
    made.clear()


@pytest.fixture(scope="module")
def shared(cluster: Cluster, gateway_image: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    """The site of a release that serves, for tests of changes that are undone."""
    node = cluster.nodes[0]
    made = Site(tmp_path_factory.mktemp("shared"), node.socket, gateway_image, node, project=f"{PROJECT}-shared")
    yield made
    made.clear()


@pytest.fixture(scope="module")
def first(shared: Site, images: dict[str, str]) -> Deployment:
    """Two servers of `one`, which serve at the end of each test, too."""
    return shared.deploy(shared.engine(images["one"]), replicas=2)


def test_a_release_is_created_updated_scaled_and_removed_without_a_trace(
    site: Site, images: dict[str, str], cluster: Cluster
) -> None:
    engine = site.engine(images["one"])
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

    second = site.deploy(site.engine(images["two"]))
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


def serves(engine: SwarmEngine, deployment: Deployment) -> bool:
    """Whether a deployment is as it was; its servers may be on other nodes, and as many."""
    found = engine.observe(NAME, ENV)
    return (
        found is not None
        and found.running_replicas == deployment.running_replicas
        and dataclasses.replace(found, nodes=deployment.nodes) == deployment
    )


def answering_now(candidate: Deployment) -> str:
    try:
        return ask(candidate.client_route[0].rest)
    except OSError:
        return ""


def test_an_update_whose_servers_end_is_rolled_back_and_the_log_says_why(
    shared: Site, images: dict[str, str], first: Deployment
) -> None:
    engine = shared.engine(images["one"])
    with pytest.raises(EngineError, match="exit code 3") as failed:
        shared.deploy(shared.engine(images["ends"], swarm=Swarm(drain_seconds=1, monitor_seconds=10)))
    assert "going down" in failed.value.log
    assert serves(engine, first)
    assert answers(first) == {"1"}
    assert shared.recover(engine) == ()


class Refusal:
    """Does not accept a release, and notes what its servers answer."""

    def __init__(self) -> None:
        self.answers: set[str] = set()

    def __call__(self, promoted: Deployment) -> None:
        self.answers = answers(promoted)
        raise EngineError("not accepted")


def test_a_release_that_is_not_accepted_is_undone(shared: Site, images: dict[str, str], first: Deployment) -> None:
    refusal = Refusal()
    with pytest.raises(EngineError, match="not accepted"):
        shared.deploy(shared.engine(images["two"]), refusal, replicas=3)
    assert refusal.answers == {"2"}
    assert serves(shared.engine(images["one"]), first)
    assert answers(first) == {"1"}


def test_what_a_look_at_another_project_needs_is_not_kept_in_the_state_directory(
    site: Site, shared: Site, images: dict[str, str], first: Deployment
) -> None:
    """`status --all-projects` sends requests through the gateways of others, with the tool's tokens."""
    others = site.engine(images["one"]).inventory.other_projects()
    (other,) = (each for each in others if each.traits.project == shared.project)
    (seen,) = other.inventory.observe_all()
    assert (seen.release, seen.endpoints) == (first.release, first.endpoints)
    assert first.gateway is not None
    assert seen.gateway is not None
    assert seen.gateway.token.read_text() == first.gateway.token.read_text()
    assert seen.gateway.token.parent.stat().st_mode & 0o077 == 0
    assert list(site.directory.rglob("token")) == []


def test_a_first_release_that_is_not_accepted_is_removed(site: Site, images: dict[str, str]) -> None:
    engine, refusal = site.engine(images["one"]), Refusal()
    with pytest.raises(EngineError, match="not accepted"):
        site.deploy(engine, refusal)
    assert refusal.answers == {"1"}
    assert (engine.observe(NAME, ENV), engine.inventory.names()) == (None, ())


def test_a_candidate_that_ends_is_never_promoted_and_tells_why(site: Site, images: dict[str, str]) -> None:
    engine = site.engine(images["fails"])
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


KILLED = """
import os, signal, sys, threading, time
from pathlib import Path
from support.cluster import read
from support.swarm import healthy_soon
from support.swarm_site import ENV, Site
directory, cluster, project, image, moment, gateway = sys.argv[1:]
node = read(cluster).nodes[0]
site = Site(Path(directory), node.socket, gateway, node, project=project)
engine = site.engine(image)
die = lambda *_: os.kill(os.getpid(), signal.SIGKILL)
def at_update():
    while not (service := engine.host.state.services(site.name, ENV).server) or service.update_state != "updating":
        time.sleep(0.05)
    die()
with healthy_soon(), engine.locks.acquire(site.name, ENV, 30.0):
    engine.recover(site.name, ENV)
    candidate = engine.stage(site.launch(engine))
    if moment == "staged":
        die()
    if moment == "updating":
        threading.Thread(target=at_update).start()
    engine.promote(candidate, 15.0, die if moment == "accepting" else lambda _: None)
    engine.host.api.client.close()
"""


def killed(site: Site, cluster: Cluster, image: str, moment: str) -> None:
    """A command that deploys an image, ended by SIGKILL at a moment."""
    arguments = [str(site.directory), cluster.name, site.project, image, moment, site.gateway_image]
    path = os.pathsep.join(str(each) for each in (Path(__file__).parents[1], Path(__file__).parents[2]))
    environment = {**os.environ, "PYTHONPATH": path}
    ended = subprocess.run(
        [sys.executable, "-c", KILLED, *arguments], env=environment, capture_output=True, text=True, timeout=300,
        check=False,
    )  # fmt: skip
    assert ended.returncode == -signal.SIGKILL, ended.stderr


@pytest.mark.parametrize("moment", ["staged", "updating", "accepting"])
def test_after_a_kill_the_last_accepted_release_serves(
    shared: Site, images: dict[str, str], cluster: Cluster, first: Deployment, moment: str
) -> None:
    engine = shared.engine(images["one"])
    killed(shared, cluster, images["two"], moment)
    assert engine.inventory.names() == ((NAME, ENV),)
    (note,) = shared.recover(engine)
    assert ("was left by a killed command" in note) is (moment == "staged")
    assert serves(engine, first)
    assert answers(first) == {"1"}
    assert shared.recover(engine) == ()
    left = [line for line in shared.left() if "gateway" not in line]
    assert sorted(line.partition(" ")[0] for line in left) == ["network", "service"]


def test_a_service_that_somebody_else_has_updated_since_the_kill_goes_on(
    site: Site, images: dict[str, str], cluster: Cluster
) -> None:
    engine = site.engine(images["one"])
    site.deploy(engine)
    killed(site, cluster, images["two"], "accepting")
    site.node.docker("service", "scale", "--detach", f"{site.service()['Spec']['Name']}=2")
    (note,) = site.recover(engine)
    assert "serves on" in note
    eventually(lambda: getattr(engine.observe(NAME, ENV), "running_replicas", 0) == 2, "two servers run")
    assert ask(engine.observe(NAME, ENV).endpoints.rest) == "2"
    assert site.recover(engine) == ()


@pytest.mark.parametrize("moment", ["staged", "accepting"])
def test_after_a_kill_of_the_first_deployment_nothing_is_left(
    site: Site, images: dict[str, str], cluster: Cluster, moment: str
) -> None:
    engine = site.engine(images["one"])
    killed(site, cluster, images["one"], moment)
    assert (engine.observe(NAME, ENV), engine.inventory.observe_all()) == (None, ())
    assert len(site.recover(engine)) == 1
    assert engine.inventory.names() == ()
    eventually(lambda: site.left() == [], "nothing is left", PATIENCE)


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
    site: Site, images: dict[str, str], cluster: Cluster
) -> None:
    def secret(value: str) -> dict[str, str]:
        return {"TOKEN": Secret.of("${TOKEN}", (), lambda: value), "VERSION": "9"}

    engine = site.engine(images["one"], environment=secret("open sesame"))
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
    other = site.engine(images["one"], environment={**secret("open rye"), "VERSION": "8"})
    assert other.changed_variables(NAME, ENV) == ("TOKEN", "VERSION")
    assert answers(site.deploy(other)) == {"8 open rye"}
    assert len([line for line in site.left() if line.startswith("secret ") and "gateway" not in line]) == 1


def test_what_the_swarm_cannot_do_is_refused_and_nothing_is_left_half_done(
    site: Site, images: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    engine = site.engine(images["one"], swarm=Swarm(drain_seconds=1, monitor_seconds=1, max_per_node=1))
    first = site.deploy(engine, replicas=2)
    monkeypatch.setattr(task_list, "PENDING_SECONDS", 2.0)
    with engine.locks.acquire(NAME, ENV, 0.0):
        with pytest.raises(EngineError, match="does not start"):
            engine.scale(first, 4)
        eventually(lambda: serves(engine, first), "it is as before")
        nowhere = site.engine(images["one"], swarm=Swarm(constraints=("node.hostname==nowhere",)))
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


def test_a_service_of_somebody_else_with_the_name_is_left_alone(site: Site, images: dict[str, str]) -> None:
    engine = site.engine(images["one"])
    name = engine.host.state.name(NAME, ENV)
    site.node.docker("service", "create", "--detach", "--name", name, "--replicas", "0", images["one"])
    try:
        with pytest.raises(NotOurs, match=name):
            site.deploy(engine)
        assert engine.observe(NAME, ENV) is None
        assert [name in conflict for conflict in engine.inventory.conflicts(NAME, ENV)] == [True]
        site.remove(engine)
        assert name in site.node.docker("service", "ls", "--format", "{{.Name}}")
    finally:
        site.node.docker("service", "rm", name)


def test_an_image_is_on_every_node_before_anything_changes(
    site: Site, images: dict[str, str], cluster: Cluster, gateway_image: str, withdrawn: None
) -> None:
    del withdrawn
    lost, reference = pushed(cluster, gateway_image, 7), pushed(cluster, gateway_image, 8)
    before = site.deploy(site.engine(images["one"]))
    withdraw(cluster, lost)
    with pytest.raises(EngineError, match=r"node node[23]|on node[23]") as failed:
        site.deploy(site.engine(lost))
    assert "No such image" in failed.value.message
    assert site.recover(site.engine(images["one"]))
    assert serves(site.engine(images["one"]), before)
    assert answers(site.deploy(site.engine(reference))) == {"8"}
    for node in cluster.nodes:
        assert reference in node.docker("images", "--digests", "--format", "{{.Repository}}@{{.Digest}}")
        assert not node.docker("ps", "--all", "--quiet", "--filter", f"name={site.service()['Spec']['Name']}-pull")


@pytest.fixture
def withdrawn(cluster: Cluster) -> Iterator[None]:
    """Afterwards the first node does not have the names of the images any more."""
    yield
    cluster.nodes[0].docker("rmi", *(f"{cluster.registry}/{PROJECT}:{version}" for version in (7, 8)))


def pushed(cluster: Cluster, gateway_image: str, version: int) -> str:
    """The reference of an image that the first node alone has, and the registry."""
    node, name = cluster.nodes[0], f"{cluster.registry}/{PROJECT}:{version}"
    (image,) = on_nodes(cluster, answering(gateway_image, version)).values()
    for each in cluster.nodes[1:]:
        each.docker("rmi", "--force", image)
    node.docker("tag", image, name)
    node.docker("push", "--quiet", name)
    names = node.docker("image", "inspect", "--format", '{{join .RepoDigests " "}}', name).split()
    return next(each for each in names if each.startswith(f"{cluster.registry}/{PROJECT}@"))


def withdraw(cluster: Cluster, reference: str) -> None:
    """Remove an image from the registry."""
    repository, _, digest = reference.partition("@")
    path = f"{repository.removeprefix(f'{cluster.registry}/')}/manifests/{digest}"
    answer = requests.delete(
        f"https://{cluster.registry}/v2/{path}", verify=str(cluster.certificates / "ca.pem"), timeout=PATIENCE
    )
    assert answer.status_code == 202, answer.text


def test_a_manager_that_is_reached_by_ssh_alone_is_enough(
    site: Site, images: dict[str, str], cluster: Cluster, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", str(cluster.ssh_path), prepend=os.pathsep)
    engine = site.engine(images["one"], host=cluster.ssh)
    asked = []
    deployed = site.deploy(engine, lambda accepted: asked.append(ask(accepted.client_route[0].rest)), replicas=2)
    assert asked == ["1"]
    assert deployed.forwarded
    assert deployed.endpoints.rest == f"http://{cluster.nodes[1].address}:{deployed.rest_port}"
    assert site.engine(images["one"]).observe(NAME, ENV) is not None
    site.remove(engine)
