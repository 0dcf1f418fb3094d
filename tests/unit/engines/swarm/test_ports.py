"""The ports of a deployment: those that were asked for, those that it has, or free ones of the whole Swarm."""

from __future__ import annotations

import dataclasses
from typing import Any

import pytest

from deployer.engines.docker.names import LABEL
from deployer.engines.swarm.inspection import Service
from deployer.engines.swarm.ports import choose_ports
from deployer.engines.swarm.state import SwarmState
from deployer.errors import PortTaken
from deployer.results.launch import Launch, Rendered

LAUNCH = Launch("digits", "local", "0.0.0.0", None, None, (), (), "/models", Rendered({}))


class State(SwarmState):
    """A Swarm with one other service."""

    def used_ports(self, *, but: Any = ()) -> dict[int, Service]:
        assert "deployer-shop-local-digits-gateway" in but
        return {port: Service("id", 1, {"Name": "web", "Labels": {}}) for port in (8501, 9001)}


def ports(launch: Launch, serving: Service | None = None) -> tuple[int, int]:
    return choose_ports(State(None, "shop"), launch, serving)  # type: ignore[arg-type]


def asked(rest: int | None, grpc: int | None) -> Launch:
    return dataclasses.replace(LAUNCH, rest_port=rest, grpc_port=grpc)


def test_a_port_that_was_asked_for_is_taken_or_refused():
    assert ports(asked(9100, 9200)) == (9100, 9200)
    with pytest.raises(PortTaken, match="port 9001 is taken by the service web") as refused:
        ports(asked(9100, 9001))
    assert refused.value.port == 9001


def test_without_one_a_deployment_keeps_its_ports_or_gets_the_default_ones_that_are_free():
    rest, grpc = ports(LAUNCH)
    assert (rest == 8501, grpc) == (False, 8500)
    serving = Service("id", 1, {"Name": "s", "Labels": {f"{LABEL}rest_port": "9300", f"{LABEL}grpc_port": "9400"}})
    assert ports(LAUNCH, serving) == (9300, 9400)
    assert ports(asked(0, 0), serving) == (9300, 9400)
    rest, grpc = ports(asked(0, 0))
    assert 8501 not in (rest, grpc)
    assert rest != grpc
