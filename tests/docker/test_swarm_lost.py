"""A Swarm that has lost its quorum: commands say so before long, what serves goes on, and all is well afterwards.

The cluster has a name of its own: other tests may use the shared one now.
"""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from support import cluster as clusters
from support.cluster import Cluster
from support.swarm_site import ENV, NAME, Site, answering, answers, ask, on_nodes
from support.world import eventually

from deployer.errors import EngineError, EngineUnavailable

pytestmark = pytest.mark.timeout(900)
CLUSTER = "tests"
SECONDS = 120


@pytest.fixture
def cluster(gateway_image: str) -> Iterator[Cluster]:
    with clusters.of_its_own(CLUSTER, gateway_image) as made:
        yield made


def set_links(cluster: Cluster, state: str) -> None:
    """Those of two of the three managers."""
    for node in cluster.nodes[1:]:
        command = ["nsenter", f"--net={cluster.hub_netns}", "ip", "link", "set", node.name, state]
        subprocess.run(command, check=True, timeout=SECONDS)


def test_without_a_quorum_commands_fail_with_the_reason_and_servers_go_on(
    cluster: Cluster, gateway_image: str, tmp_path: Path
) -> None:
    image = answering(gateway_image, 1)
    site = Site(tmp_path, cluster.nodes[0].socket, gateway_image, cluster.nodes[0])
    engine = site.engine(on_nodes(cluster, image)[image])
    deployed = site.deploy(engine, replicas=3)
    set_links(cluster, "down")
    try:
        eventually(lambda: lost(site), "the quorum is lost", SECONDS)
        changed = site.engine("x:1")
        with pytest.raises(EngineUnavailable, match="lost its quorum") as failed:
            changed.observe(NAME, ENV)
        assert "docker node ls" in str(failed.value.hint)
        with pytest.raises(EngineUnavailable, match="lost its quorum"), changed.locks.acquire(NAME, ENV, 0.0):
            pass
        (finding,) = changed.preflight.platform()
        assert (finding.severity, "lost its quorum" in finding.message) == ("error", True)
        eventually(lambda: ask(deployed.endpoints.rest) == "1", "the server of this node answers")
    finally:
        set_links(cluster, "up")
    eventually(lambda: not lost(site), "the managers reach one another", SECONDS)
    eventually(
        lambda: (found := engine.observe(NAME, ENV)) is not None and found.running_replicas == 3, "all run", SECONDS
    )
    assert answers(deployed) == {"1"}
    site.remove(engine)


def lost(site: Site) -> bool:
    """Whether a command fails now; in any case it ends."""
    try:
        site.engine("x:1").observe(NAME, ENV)
    except EngineError as error:
        return "quorum" in error.message
    return False
