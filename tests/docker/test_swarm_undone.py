"""A release on a Swarm serves on while changes fail, are not accepted or are killed, and while others look at it."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator

import pytest
from support.cluster import Cluster
from support.swarm_kill import killed
from support.swarm_site import ENV, NAME, PROJECT, Site, answers, ask, serves
from support.world import eventually

from deployer.config.swarm import Swarm
from deployer.errors import EngineError
from deployer.results.deployment import Deployment

pytestmark = pytest.mark.timeout(900)
PATIENCE = 60


@pytest.fixture(scope="module")
def shared(cluster: Cluster, gateway_image: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    """The site of a release that serves, for tests of changes that are undone."""
    node = cluster.nodes[0]
    made = Site(tmp_path_factory.mktemp("shared"), node.socket, gateway_image, node, project=f"{PROJECT}-shared")
    yield made
    made.clear()


@pytest.fixture(scope="module")
def first(shared: Site, swarm_images: dict[str, str]) -> Deployment:
    """Two servers of `one`, which serve at the end of each test, too."""
    return shared.deploy(shared.engine(swarm_images["one"]), replicas=2)


def test_an_update_whose_servers_end_is_rolled_back_and_the_log_says_why(
    shared: Site, swarm_images: dict[str, str], first: Deployment
) -> None:
    engine = shared.engine(swarm_images["one"])
    with pytest.raises(EngineError, match="exit code 3") as failed:
        shared.deploy(shared.engine(swarm_images["ends"], swarm=Swarm(drain_seconds=1, monitor_seconds=10)))
    assert "going down" in failed.value.log
    eventually(lambda: serves(engine, first), "it is as before", 30)
    assert answers(first) == {"1"}
    assert shared.recover(engine) == ()


class Refusal:
    """Does not accept a release, and notes what its servers answer."""

    def __init__(self) -> None:
        self.answers: set[str] = set()

    def __call__(self, promoted: Deployment) -> None:
        self.answers = answers(promoted)
        raise EngineError("not accepted")


def test_a_release_that_is_not_accepted_is_undone(
    shared: Site, swarm_images: dict[str, str], first: Deployment
) -> None:
    refusal = Refusal()
    with pytest.raises(EngineError, match="not accepted"):
        shared.deploy(shared.engine(swarm_images["two"]), refusal, replicas=3)
    assert refusal.answers == {"2"}
    eventually(lambda: serves(shared.engine(swarm_images["one"]), first), "it is as before", 30)
    assert answers(first) == {"1"}


def test_what_a_look_at_another_project_needs_is_not_kept_in_the_state_directory(
    site: Site, shared: Site, swarm_images: dict[str, str], first: Deployment
) -> None:
    """`status --all-projects` sends requests through the gateways of others, with the tool's tokens."""
    others = site.engine(swarm_images["one"]).inventory.other_projects()
    (other,) = (each for each in others if each.traits.project == shared.project)
    (seen,) = other.inventory.observe_all()
    assert (seen.release, seen.endpoints) == (first.release, first.endpoints)
    assert first.gateway is not None
    assert seen.gateway is not None
    assert seen.gateway.token.read_text() == first.gateway.token.read_text()
    assert seen.gateway.token.parent.stat().st_mode & 0o077 == 0
    assert list(site.directory.rglob("token")) == []


def test_a_first_release_that_is_not_accepted_is_removed(site: Site, swarm_images: dict[str, str]) -> None:
    engine, refusal = site.engine(swarm_images["one"]), Refusal()
    with pytest.raises(EngineError, match="not accepted"):
        site.deploy(engine, refusal)
    assert refusal.answers == {"1"}
    assert (engine.observe(NAME, ENV), engine.inventory.names()) == (None, ())


@pytest.mark.parametrize("moment", ["staged", "updating", "accepting"])
def test_after_a_kill_the_last_accepted_release_serves(
    shared: Site, swarm_images: dict[str, str], cluster: Cluster, first: Deployment, moment: str
) -> None:
    engine = shared.engine(swarm_images["one"])
    killed(shared, cluster, swarm_images["two"], moment)
    assert engine.inventory.names() == ((NAME, ENV),)
    foreseen = engine.foresee(NAME, ENV)
    (note,) = shared.recover(engine)
    assert ("was left by a killed command" in note) is (moment == "staged")
    assert [dataclasses.replace(each, nodes=()) for each in (foreseen, engine.observe(NAME, ENV))] == [
        dataclasses.replace(first, nodes=())
    ] * 2
    assert serves(engine, first)
    assert answers(first) == {"1"}
    assert shared.recover(engine) == ()
    left = [line for line in shared.left() if "gateway" not in line]
    assert sorted(line.partition(" ")[0] for line in left) == ["network", "service"]


def test_a_service_that_somebody_else_has_updated_since_the_kill_goes_on(
    site: Site, swarm_images: dict[str, str], cluster: Cluster
) -> None:
    engine = site.engine(swarm_images["one"])
    site.deploy(engine)
    killed(site, cluster, swarm_images["two"], "accepting")
    site.node.docker("service", "scale", "--detach", f"{site.service()['Spec']['Name']}=2")
    assert engine.foresee(NAME, ENV).release == engine.observe(NAME, ENV).release
    (note,) = site.recover(engine)
    assert "serves on" in note
    eventually(lambda: getattr(engine.observe(NAME, ENV), "running_replicas", 0) == 2, "two servers run")
    assert ask(engine.observe(NAME, ENV).endpoints.rest) == "2"
    assert site.recover(engine) == ()


@pytest.mark.parametrize("moment", ["staged", "accepting"])
def test_after_a_kill_of_the_first_deployment_nothing_is_left(
    site: Site, swarm_images: dict[str, str], cluster: Cluster, moment: str
) -> None:
    engine = site.engine(swarm_images["one"])
    killed(site, cluster, swarm_images["one"], moment)
    assert (engine.observe(NAME, ENV), engine.foresee(NAME, ENV), engine.inventory.observe_all()) == (None, None, ())
    assert len(site.recover(engine)) == 1
    assert engine.inventory.names() == ()
    eventually(lambda: site.left() == [], "nothing is left", PATIENCE)
