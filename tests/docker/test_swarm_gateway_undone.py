"""A failed or killed change of a Swarm's gateway: undone with the newer tokens, or completed if it is desired now."""

from __future__ import annotations

import dataclasses
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
import requests
from support.cluster import Cluster
from support.swarm_kill import killed
from support.swarm_site import ENV, NAME, Site, answers, serves
from support.world import eventually

from deployer.engines.docker.gateway import tokens
from deployer.engines.swarm.engine import SwarmEngine
from deployer.errors import EngineError
from deployer.results.deployment import Deployment

pytestmark = pytest.mark.timeout(900)
CHANGED = {"answer_seconds": 77}
REFUSED = 401


def gateway_tasks(site: Site) -> list[str]:
    """The ids of the tasks of the gateway that should run."""
    name = site.service("gateway")["Spec"]["Name"]
    return sorted(site.node.docker("service", "ps", "-q", "--filter", "desired-state=running", name).split())


def observed(engine: SwarmEngine) -> Deployment:
    found = engine.observe(NAME, ENV)
    assert found is not None
    assert found.gateway is not None
    return found


@pytest.mark.parametrize("moment", ["gateway", "gateway, updating"])
def test_a_killed_change_of_the_gateway_is_undone_if_it_is_not_wanted_any_more(
    site: Site, swarm_images: dict[str, str], cluster: Cluster, moment: str
) -> None:
    engine = site.engine(swarm_images["one"])
    first = site.deploy(engine)
    killed(site, cluster, swarm_images["one"], moment, **CHANGED)
    changed, foreseen = observed(engine), engine.foresee(NAME, ENV)
    assert changed.gateway.settings["answer_seconds"] == 77
    assert foreseen is not None
    assert foreseen.gateway == first.gateway
    (shown,) = engine.leftovers(NAME, ENV)
    assert "to its former settings" in shown
    (note,) = site.recover(engine)
    assert "undone" in note
    assert serves(engine, first)
    eventually(lambda: answers(first) == {"1"}, "each gateway sends requests on", 30)
    assert (site.recover(engine), engine.leftovers(NAME, ENV)) == ((), ())


@pytest.mark.parametrize("moment", ["gateway", "gateway, updating"])
def test_a_killed_change_of_the_gateway_that_is_wanted_is_completed(
    site: Site, swarm_images: dict[str, str], cluster: Cluster, moment: str
) -> None:
    first = site.deploy(site.engine(swarm_images["one"]))
    killed(site, cluster, swarm_images["one"], moment, **CHANGED)
    engine = site.engine(swarm_images["one"], gateway_settings=CHANGED)
    foreseen, changed = engine.foresee(NAME, ENV), site.service("gateway")["Spec"]["TaskTemplate"]
    assert foreseen is not None
    assert foreseen.gateway == observed(engine).gateway
    assert foreseen.gateway.digest == engine.gateways.digest(NAME, ENV, "0.0.0.0")
    (shown,) = engine.leftovers(NAME, ENV)
    assert shown.startswith("complete the killed change of the gateway")
    (note,) = site.recover(engine)
    assert "is completed" in note
    assert "in force" in note
    assert (site.service("gateway")["Spec"]["TaskTemplate"], observed(engine).gateway) == (changed, foreseen.gateway)
    assert len(gateway_tasks(site)) == len(cluster.nodes)
    eventually(lambda: answers(first) == {"1"}, "each gateway sends requests on", 30)
    assert (site.recover(engine), engine.leftovers(NAME, ENV)) == ((), ())


@contextmanager
def asking(place: str, token: str) -> Iterator[list[int]]:
    """Ask without a pause with a token; the statuses that came back in their order, without refused connections."""
    seen: list[int] = []
    ended = threading.Event()

    def ask() -> None:
        while not ended.is_set():
            try:
                seen.append(status(place, token))
            except requests.RequestException:
                time.sleep(0.02)

    thread = threading.Thread(target=ask)
    thread.start()
    try:
        yield seen
    finally:
        ended.set()
        thread.join()


def status(place: str, token: str) -> int:
    asked = requests.get(f"{place}/v1/models/stub", headers={"Authorization": f"Bearer {token}"}, timeout=10)
    return asked.status_code


def refuse(_: Deployment) -> None:
    raise EngineError("not accepted")


Settings = dict[str, object]
"""Of the gateway."""


def kill_gateway(site: Site, cluster: Cluster, image: str, settings: Settings) -> None:
    killed(site, cluster, image, "gateway", **settings)


def kill_release(site: Site, cluster: Cluster, image: str, settings: Settings) -> None:
    killed(site, cluster, image, "accepting", **settings)


def fail_gateway(site: Site, _: Cluster, image: str, settings: Settings) -> None:
    engine = site.engine(image, gateway_settings=settings)
    with engine.locks.acquire(NAME, ENV, 30.0), pytest.raises(EngineError, match="not accepted"):
        engine.gateways.replace(observed(engine), refuse)


def fail_release(site: Site, _: Cluster, image: str, settings: Settings) -> None:
    with pytest.raises(EngineError, match="not accepted"):
        site.deploy(site.engine(image, gateway_settings=settings), refuse)


@pytest.mark.parametrize(
    "revocation",
    [(kill_gateway, {}), (kill_gateway, CHANGED), (fail_gateway, {}), (kill_release, CHANGED), (fail_release, {})],
)
def test_a_revoked_token_never_comes_back_by_an_undo(
    site: Site,
    swarm_images: dict[str, str],
    cluster: Cluster,
    tmp_path: Path,
    revocation: tuple[Callable[[Site, Cluster, str, Settings], None], Settings],
) -> None:
    (revoke, others), file, image = revocation, tmp_path / "known", swarm_images["one"]
    hashes = {name: tokens.hash_token(name) for name in ("alice", "bob")}
    tokens.write(file, hashes)
    settings = {"tokens": str(file)}
    first = site.deploy(site.engine(image, gateway_settings=settings))
    place = first.endpoints.rest
    eventually(lambda: status(place, "bob") == 200, "bob is let in", 30)
    tokens.write(file, {"alice": hashes["alice"]})
    revoke(site, cluster, image, {**settings, **others})
    now = site.engine(image, gateway_settings={**settings, "drain_seconds": 1, "max_body": "2m"})
    foreseen = now.foresee(NAME, ENV)
    with asking(place, "bob") as seen:
        eventually(lambda: seen.count(REFUSED) > 20, "bob is refused", 30)
        site.recover(now)
        before = seen.count(REFUSED)
        eventually(lambda: seen.count(REFUSED) > before + 20, "bob is refused", 30)
    # Tasks of before the revocation may still have answered first.
    assert set(seen[seen.index(REFUSED) :]) == {REFUSED}
    eventually(lambda: status(place, "alice") == 200, "alice is let in", 30)
    assert foreseen is not None
    assert dataclasses.replace(observed(now), nodes=()) == dataclasses.replace(foreseen, nodes=())
    assert observed(now).gateway.settings["answer_seconds"] == first.gateway.settings["answer_seconds"]
    assert [site.recover(now), now.leftovers(NAME, ENV)] == [(), ()]
