"""Ports that a gateway cannot open are refused with their key before anything starts."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import pytest
from support.results import DEPLOYMENT

from deployer.config.gateway import Gateway as Settings
from deployer.engines.base import Address
from deployer.engines.docker.gateway import addresses
from deployer.errors import ConfigError, PortTaken, SettingRefused
from deployer.results.deployment import Deployment, Gateway

METRICS = "gateway.metrics_port"
HIGH = Address("127.0.0.1", 9001, 9002)


def check(
    address: Address, metrics: int | None = None, observed: Deployment | None = None, taken: int = 0, first: int = 1024
) -> None:
    def check_free(host: str, port: int) -> None:
        assert host == "127.0.0.1"
        if port == taken:
            raise PortTaken(f"port {port} is taken", port=port)

    addresses.check(Settings(enabled=True, metrics_port=metrics), address, observed, first, check_free)


def deployed(rest: int, grpc: int, metrics: int | None = None, *, gated: bool = True) -> Deployment:
    gateway = Gateway("", True, Path(), None, guarded=False, settings={"metrics_port": metrics})
    return dataclasses.replace(DEPLOYMENT, rest_port=rest, grpc_port=grpc, gateway=gateway if gated else None)


@pytest.mark.parametrize(
    ("address", "metrics", "observed", "key"),
    [
        (Address("127.0.0.1", 80, 9002), None, None, "server.rest_port"),
        (Address("127.0.0.1", None, 1023), None, None, "server.grpc_port"),
        (Address("127.0.0.1", None, 0), None, deployed(80, 9002, gated=False), "server.rest_port"),
        (HIGH, 900, None, METRICS),
    ],
)
def test_a_port_that_needs_a_privilege_is_refused(address, metrics, observed, key):
    with pytest.raises(SettingRefused) as refused:
        check(address, metrics, observed)
    assert (refused.value.key, refused.value.exit_code) == (key, 3)
    assert refused.value.message.startswith(f"{key}: ")
    assert "1024" in str(refused.value.hint)


@pytest.mark.parametrize("first", [0, 80])
def test_where_the_system_needs_no_privilege_the_port_is_allowed(first):
    check(Address("127.0.0.1", 80, 443), first=first)


@pytest.mark.parametrize(
    ("address", "metrics", "observed"),
    [
        (HIGH, 9001, None),
        (HIGH, 9002, None),
        (Address("127.0.0.1", None, 0), 8501, None),
        (Address("127.0.0.1", 0, 0), 9003, deployed(9003, 9004)),
    ],
)
def test_metrics_have_a_port_of_their_own(address, metrics, observed):
    with pytest.raises(ConfigError) as refused:
        check(address, metrics, observed)
    assert refused.value.key == METRICS


def test_a_metrics_port_of_another_process_is_refused_and_that_of_its_own_gateway_is_not():
    for observed in (None, deployed(9001, 9002, 9009), deployed(9001, 9002, gated=False)):
        with pytest.raises(PortTaken) as refused:
            check(HIGH, 9005, observed, taken=9005)
        assert METRICS in str(refused.value.hint)
    check(HIGH, 9005, deployed(9001, 9002, 9005), taken=9005)


def test_any_free_port_is_allowed():
    check(Address("127.0.0.1", 0, 0), 8501)
    check(Address("127.0.0.1", None, None), 9005)
