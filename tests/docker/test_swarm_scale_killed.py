"""A killed change of the number of servers on a Swarm is completed: the plan says so, and what happens if not."""

from __future__ import annotations

import dataclasses

import pytest
from support.cluster import Cluster
from support.swarm_kill import killed
from support.swarm_site import ENV, NAME, Site, answers

from deployer.config.swarm import Swarm
from deployer.engines.swarm.service_spec import SCALED_FROM

pytestmark = pytest.mark.timeout(600)


@pytest.mark.parametrize(("before", "after"), [(1, 3), (3, 1)])
def test_the_next_command_completes_it_as_the_plan_says(
    site: Site, swarm_images: dict[str, str], cluster: Cluster, before: int, after: int
) -> None:
    engine = site.engine(swarm_images["one"])
    first = site.deploy(engine, replicas=before)
    killed(site, cluster, swarm_images["one"], f"scaling to {after}")
    foreseen = engine.foresee(NAME, ENV)
    (shown,) = engine.leftovers(NAME, ENV)
    assert shown.startswith(f"complete the killed change from {before} to {after} servers: ")
    assert foreseen is not None
    assert (foreseen.release, foreseen.replicas) == (first.release, after)
    (note,) = site.recover(engine)
    assert note == f"a killed change from {before} to {after} servers is completed: {after} run"
    found = engine.observe(NAME, ENV)
    assert found is not None
    assert (found.running_replicas, found.replicas, found.release) == (after, after, first.release)
    assert answers(first) == {"1"}
    assert SCALED_FROM not in site.service()["Spec"]["Labels"]
    assert (site.recover(engine), engine.leftovers(NAME, ENV)) == ((), ())


def test_it_is_undone_if_a_server_gets_no_node(site: Site, swarm_images: dict[str, str], cluster: Cluster) -> None:
    placed = dataclasses.replace(site, swarm=Swarm(drain_seconds=1, monitor_seconds=1, max_per_node=1))
    engine = placed.engine(swarm_images["one"])
    first = placed.deploy(engine, replicas=2)
    killed(placed, cluster, swarm_images["one"], "scaling to 5")
    (note,) = placed.recover(engine)
    assert note.startswith("a killed change to 5 servers is undone, 2 run: a server does not start")
    found = engine.observe(NAME, ENV)
    assert found is not None
    assert (found.running_replicas, found.replicas) == (2, 2)
    assert answers(first) == {"1"}
    assert (placed.recover(engine), engine.leftovers(NAME, ENV)) == ((), ())
