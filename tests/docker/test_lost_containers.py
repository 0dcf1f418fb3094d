"""Containers of a deployment that somebody has stopped or removed, and the next command."""

from __future__ import annotations

import pytest
from support.containers import docker
from support.deploying import NAME, ask, deployer, up
from support.world import free_port

GATEWAY = f"{NAME}-gateway"


def with_gateway(monkeypatch, image, **settings):
    """Set variables for a gateway."""
    for name, value in {"enabled": "true", "image": image, **settings}.items():
        monkeypatch.setenv(f"DEPLOYER_GATEWAY_{name.upper()}", value)


@pytest.mark.parametrize(
    "harm", [("rm", "--force", GATEWAY), ("stop", "--time", "20", GATEWAY), ("stop", "--time", "20", NAME)]
)
def test_a_gateway_is_disabled_though_a_container_is_stopped_or_gone(project, gateway_image, monkeypatch, harm):
    ports = ("--rest-port", str(free_port()), "--grpc-port", str(free_port()))
    with_gateway(monkeypatch, gateway_image)
    first = up(project, "half_plus_two:1", *ports)
    docker(*harm)
    monkeypatch.setenv("DEPLOYER_GATEWAY_ENABLED", "false")
    for _ in range(2):
        changed = up(project, "half_plus_two:1")
        assert changed["endpoints"] == first["endpoints"]
        assert ask(changed["endpoints"], 2.0) == 3.0
    assert changed["plan"]["change"] == "nothing"
    (seen,) = deployer("status", "--json", cwd=project).json["deployments"]
    assert (seen["healthy"], seen["deployment"]["gateway"]) == (True, None)
