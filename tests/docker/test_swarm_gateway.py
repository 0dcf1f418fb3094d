"""The gateway of a Swarm on three Docker Engines: servers change, machines are lost, and clients hardly notice.

The servers are services made by plain docker commands. The cluster has a name of its own: its machines are cut off.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from support import cluster as clusters
from support import swarm
from support.cluster import Cluster
from support.stores import copy_store
from support.traffic import Make, Seen, grpc_client, rest_client, traffic
from support.world import eventually

from deployer.config.gateway import Gateway
from deployer.config.swarm import Swarm
from deployer.engines.docker.api import connect
from deployer.engines.docker.gateway import tokens
from deployer.engines.swarm.api import SwarmApi
from deployer.engines.swarm.gateway.config import Route
from deployer.engines.swarm.gateway.service import SwarmGateway
from deployer.errors import EngineError, PortTaken

CLUSTER = "gateways"
NAME, ENV, PROJECT = "half_plus_two", "local", "tests"
SERVERS, NETWORK = "servers", "servers"
ROUTE = Route(NETWORK, SERVERS, 8501, 8500)
VERSION_1, VERSION_2 = 3.0, 4.0
ENOUGH = 600
HEARTBEAT = "2s"
"""Swarm takes a node for lost after three of them without a sign; five seconds each is its own choice."""
START_SECONDS = 180.0
SECONDS = 60.0
pytestmark = pytest.mark.timeout(900)


@dataclass
class Site:
    """The cluster with three servers of version 1 and a gateway on each node."""

    cluster: Cluster
    images: dict[int, str]
    gateway_image: str
    state_dir: Path
    apis: list[SwarmApi] = field(default_factory=list)
    """Of each node."""

    @property
    def endpoints(self) -> list[dict[str, str]]:
        return [swarm.endpoints(node, ROUTE.rest_port, ROUTE.grpc_port) for node in self.cluster.nodes]

    def gateway(self, manager: int = 0, placed: Swarm | None = None, **settings: Any) -> SwarmGateway:
        desired = Gateway(**{"enabled": True, "image": self.gateway_image, **settings})
        return SwarmGateway(self.apis[manager], desired, placed or Swarm(), PROJECT, self.state_dir / str(manager))

    def docker(self, *arguments: str) -> str:
        return self.cluster.nodes[0].docker(*arguments)

    def running(self) -> list[str]:
        return swarm.running(self.cluster.nodes[0], SERVERS)

    def spread(self) -> None:
        """A server on each node again: Swarm moves no task that runs, and an update may put two on one node."""
        names = [node.name for node in self.cluster.nodes]
        if self.running() != names:
            self.docker("service", "scale", f"{SERVERS}=0")
            self.docker("service", "scale", f"{SERVERS}=3")
        eventually(lambda: self.running() == names, "each node has a server", START_SECONDS)
        for there in self.endpoints:
            eventually(lambda there=there: answers(there), f"{there['rest']} answers", START_SECONDS)


def answers(there: dict[str, str]) -> bool:
    try:
        return rest_client(there)() == grpc_client(there)() == VERSION_1
    except Exception:  # noqa: BLE001 - not yet
        return False


@pytest.fixture(scope="module")
def site(
    server_image: str, gateway_image: str, store: Path, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Site]:
    project = copy_store(store, tmp_path_factory.mktemp("site"))
    with clusters.of_its_own(CLUSTER, server_image, gateway_image) as cluster:
        images = swarm.build_on_nodes(project, cluster, server_image, 1, 2)
        made = Site(cluster, images, gateway_image, tmp_path_factory.mktemp("state"))
        made.apis += [SwarmApi(connect(node.socket)) for node in cluster.nodes]
        made.docker("network", "create", "--driver", "overlay", "--attachable", NETWORK)
        swarm.create_servers(cluster.nodes[0], SERVERS, NETWORK, images[1], 3)
        made.gateway().ensure(NAME, ENV, ROUTE, {})
        made.spread()
        yield made


def note_failed(make: Make, began: list[float]) -> Make:
    """A client that notes when each request began that failed."""

    def noting(endpoints: dict[str, str], token: str = "", certificate: str = "") -> Callable[[], float]:
        ask = make(endpoints, token, certificate)

        def ask_noting() -> float:
            before = time.monotonic()
            try:
                return ask()
            except BaseException:
                began.append(before)
                raise

        return ask_noting

    return noting


@pytest.mark.parametrize("protocol", [rest_client, grpc_client])
def test_requests_of_few_connections_are_spread_over_the_nodes(site: Site, protocol: Make) -> None:
    site.spread()
    before = swarm.requests_by_node(site.cluster, SERVERS)
    with traffic({}, clients=swarm.clients(site.endpoints[:2], (protocol,))) as seen:
        seen.enough(ENOUGH, START_SECONDS)
    seen.check({VERSION_1}, ENOUGH)
    after = swarm.requests_by_node(site.cluster, SERVERS)
    answered = [after[node] - before[node] for node in after]  # health checks, too, as many on each
    shares = [count * len(answered) / sum(answered) for count in answered]
    print(f"{protocol.__name__}: {seen.count} requests, by node {answered}")
    assert all(0.8 < share < 1.2 for share in shares), shares


def test_updates_and_scaling_fail_no_request(site: Site) -> None:
    site.spread()
    with traffic({}, clients=swarm.clients(site.endpoints)) as seen:
        seen.enough(100)
        site.docker("service", "update", "--quiet", "--image", site.images[2], SERVERS)
        site.docker("service", "scale", f"{SERVERS}=5")
        site.docker("service", "scale", f"{SERVERS}=2")
        until_ended(site, 2)
        seen.enough(100)
        site.docker("service", "update", "--quiet", "--image", site.images[1], "--replicas", "3", SERVERS)
        until_ended(site, 3)
        seen.enough(max(100, ENOUGH - seen.count), START_SECONDS)
    seen.check({VERSION_1, VERSION_2}, ENOUGH)
    assert set(seen.answers) == {VERSION_1, VERSION_2}


def until_ended(site: Site, replicas: int) -> None:
    """Wait until no other task runs than these: also those that Swarm stops have ended."""
    label = f"label=com.docker.swarm.service.name={SERVERS}"

    def containers() -> int:
        return sum(len(node.docker("ps", "--quiet", "--filter", label).split()) for node in site.cluster.nodes)

    eventually(lambda: containers() == replicas == len(site.running()), f"{replicas} servers run", START_SECONDS)


def test_tokens_and_tls_reach_every_gateway_and_every_manager(site: Site, tmp_path: Path) -> None:
    site.spread()
    known, token = tmp_path / "tokens", "a-token"
    tokens.write(known, {"client": tokens.hash_token(token)})
    guarded = site.gateway(tls=True, tokens=known)
    assert guarded.digest(NAME, ENV, "0.0.0.0") != state(guarded).digest
    new = guarded.new_certificate(NAME, ENV, stays=True)
    assert (site.gateway().new_certificate(NAME, ENV, stays=True), guarded.self_signed(NAME, ENV)) == (None, None)
    guarded.ensure(NAME, ENV, ROUTE, {})
    assert guarded.digest(NAME, ENV, "0.0.0.0") == state(guarded).digest
    assert (guarded.new_certificate(NAME, ENV, stays=True), guarded.self_signed(NAME, ENV)) == (None, new)
    assert new == guarded.new_certificate(NAME, ENV, stays=False) == state(guarded).certificate
    elsewhere = state(site.gateway(manager=1))
    assert (elsewhere.digest, elsewhere.guarded) == (state(guarded).digest, True)
    assert elsewhere.certificate
    certificate = elsewhere.certificate.read_text()
    for there in site.endpoints:
        secure = {**there, "rest": there["rest"].replace("http:", "https:")}
        for bearer in (token, elsewhere.token.read_text()):
            assert rest_client(secure, bearer, certificate)() == VERSION_1
            assert grpc_client(secure, bearer, certificate)() == VERSION_1
        with pytest.raises(AssertionError, match="401"):
            rest_client(secure, "other", certificate)()
    guarded.restore(NAME, ENV)
    assert state(guarded).digest == site.gateway().digest(NAME, ENV, "0.0.0.0")
    site.spread()
    site.gateway().ensure(NAME, ENV, ROUTE, {})
    assert token not in site.docker("service", "inspect", *site.docker("service", "ls", "--quiet").split())


def state(gateway: SwarmGateway) -> Any:
    found = gateway.observe(NAME, ENV)
    assert found
    assert found.running
    return found


def test_a_port_that_a_program_holds_on_one_node_is_named_and_nothing_stays(site: Site) -> None:
    second, other = site.cluster.nodes[1], site.gateway()
    second.docker("run", "--detach", "--name", "holder", "--publish", "9501:9501", "--entrypoint", "sleep",
                  site.gateway_image, "600")  # fmt: skip
    before = objects(site)
    try:
        with pytest.raises(PortTaken) as taken:
            other.ensure("other", ENV, Route(NETWORK, SERVERS, 9501, 9500), {})
        assert (taken.value.port, "node2" in taken.value.message) == (9501, True)
        assert objects(site) == before
        with pytest.raises(PortTaken, match="node2"):
            other.ensure(NAME, ENV, Route(NETWORK, SERVERS, 9501, 9500), {})
    finally:
        second.docker("rm", "--force", "holder")
    site.spread()
    with pytest.raises(PortTaken, match="8501"):
        other.ensure("other", ENV, ROUTE, {})
    assert objects(site) == before


def objects(site: Site) -> list[str]:
    """Everything that a gateway may leave on the Swarm."""
    names = (
        (kind, site.docker(kind, "ls", "--format", "{{.Name}}").split()) for kind in ("service", "config", "secret")
    )
    return sorted(f"{kind} {name}" for kind, found in names for name in found)


def test_an_image_that_no_node_has_is_an_error_of_the_node(site: Site) -> None:
    before = objects(site)
    with pytest.raises(EngineError, match="on node") as failed:
        site.gateway(image="no-such-image:1").ensure("other", ENV, Route(NETWORK, SERVERS, 9501, 9500), {})
    assert "gateway.image" in str(failed.value.hint)
    assert objects(site) == before


@pytest.mark.parametrize("loss", ["cut off", "killed"])
def test_of_a_lost_node_only_requests_in_flight_fail(site: Site, loss: str) -> None:
    """The clients are those of other nodes. The last test of this file."""
    site.spread()
    site.docker("swarm", "update", "--dispatcher-heartbeat", HEARTBEAT)
    node, began = site.cluster.nodes[2], list[float]()
    make = [note_failed(each, began) for each in swarm.clients(site.endpoints[:2]) * 2]
    with traffic({}, clients=make) as seen:
        seen.enough(100)
        if loss == "killed":
            swarm.kill_node(node)
        else:
            swarm.set_link(site.cluster, node, "down")
        lost = time.monotonic()
        eventually(lambda: site.running().count(node.name) == 0, "Swarm notices it", START_SECONDS)
        eventually(lambda: len(site.running()) == 3, "Swarm starts its server elsewhere", START_SECONDS)
        seen.enough(ENOUGH, START_SECONDS)
        gone = len(seen.failed)
        clusters.start(site.gateway_image, name=CLUSTER)
        eventually(lambda: len(site.gateway().nodes(NAME, ENV)) == 3, "its gateway is back", START_SECONDS)
        seen.enough(ENOUGH, START_SECONDS)
    report(loss, seen, lost)
    assert set(seen.answers) == {VERSION_1}
    assert len(seen.failed) == gone <= len(make)
    assert all(each <= lost for each in began), [each - lost for each in began]


def report(loss: str, seen: Seen, lost: float) -> None:
    last = max((float(each.split()[0]) - lost for each in seen.failed), default=0.0)
    print(f"{loss}: {len(seen.failed)} of {seen.count} failed, the last {last:.1f} s after the loss")
