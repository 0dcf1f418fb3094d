"""A gateway of a Swarm whose service somebody removed: what is said of it, and what the next one takes over."""

from __future__ import annotations

from pathlib import Path

import pytest
from support.swarm_site import ENV, NAME, Site, answers
from support.world import eventually

from deployer.config.gateway import Gateway
from deployer.engines.swarm.engine import SwarmEngine
from deployer.errors import EngineError
from deployer.results.deployment import Deployment

pytestmark = pytest.mark.timeout(600)


def observed(engine: SwarmEngine) -> Deployment:
    found = engine.observe(NAME, ENV)
    assert found is not None
    assert found.gateway is not None
    return found


def refuse(_: Deployment) -> None:
    raise EngineError("not accepted")


def certificate(deployment: Deployment) -> str:
    assert isinstance(deployment.gateway.certificate, Path)
    return deployment.gateway.certificate.read_text()


def remove_gateway(site: Site) -> None:
    site.node.docker("service", "rm", site.service("gateway")["Spec"]["Name"])


def test_the_next_gateway_has_the_same_certificate_also_after_a_failed_one(
    site: Site, swarm_images: dict[str, str]
) -> None:
    engine = site.engine(swarm_images["one"], gateway_settings={"tls": True})
    before = certificate(site.deploy(engine))
    remove_gateway(site)
    gone = observed(engine)
    assert (gone.running, gone.gateway.running, gone.gateway.digest) == (True, False, "")
    assert gone.silence == "its gateway is not running"
    assert (site.recover(engine), engine.gateways.new_certificate(NAME, ENV, "0.0.0.0")) == ((), None)

    broken = site.engine(swarm_images["one"], gateway_settings={"tls": True, "image": "deployer-testbed/none:1"})
    with broken.locks.acquire(NAME, ENV, 30.0):
        with pytest.raises(EngineError, match="the gateway cannot run"):
            broken.gateways.replace(observed(broken), lambda _: None)
        assert not observed(engine).gateway.running
        after = engine.gateways.replace(observed(engine), lambda _: None)
    assert certificate(after) == before
    assert after.gateway.running
    assert site.recover(engine) == ()


def test_a_gateway_in_its_place_that_is_not_accepted_stays(site: Site, swarm_images: dict[str, str]) -> None:
    engine = site.engine(swarm_images["one"])
    first = site.deploy(engine)
    remove_gateway(site)
    with engine.locks.acquire(NAME, ENV, 30.0), pytest.raises(EngineError, match="not accepted"):
        engine.gateways.replace(observed(engine), refuse)
    assert (site.recover(engine), engine.leftovers(NAME, ENV)) == ((), ())
    assert observed(engine).gateway.running
    assert Gateway(**observed(engine).gateway.settings).image == site.gateway_image
    eventually(lambda: answers(first) == {"1"}, "each gateway sends requests on", 30)
