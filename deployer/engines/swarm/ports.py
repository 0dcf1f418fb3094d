"""The public ports of a deployment, which are the same on every node."""

from __future__ import annotations

import random
from collections.abc import Mapping

from deployer.engines.docker.names import LABEL, PROJECT
from deployer.engines.port_holders import PortHolder, deployment_holder
from deployer.engines.ports import LOWEST_PORT
from deployer.engines.swarm.inspection import Service
from deployer.engines.swarm.names import GATEWAY
from deployer.engines.swarm.state import SwarmState, is_ours
from deployer.errors import PortTaken
from deployer.results.deployment import GRPC_PORT, REST_PORT
from deployer.results.launch import Launch

FIRST_EPHEMERAL = 32_768
"""The first port that Linux gives to outgoing connections, unless it is configured otherwise."""


def choose_ports(state: SwarmState, launch: Launch, serving: Service | None) -> tuple[int, int]:
    """Return the ports for REST and gRPC. Raise PortTaken for a requested one that another service publishes.

    A port that is not requested is the one that the deployment has, else the default one if no service publishes it,
    else any other one. Whether a process of some node holds it shows when the gateways start.
    """
    taken = state.used_ports(but=(state.name(*launch.key, GATEWAY),))
    labels = serving.labels if serving else {}
    current = [int(labels[key]) if key in labels else None for key in (f"{LABEL}rest_port", f"{LABEL}grpc_port")]
    rest = _choose(launch.rest_port, REST_PORT, current[0], taken)
    return rest, _choose(launch.grpc_port, GRPC_PORT, current[1], taken, rest)


def check_free(port: int, taken: Mapping[int, Service]) -> None:
    """Raise PortTaken, which names the holder, for a port that a service publishes."""
    if port in taken:
        hint = "choose another, or 0 for any free one"
        raise PortTaken(f"port {port} is taken by {holder(taken[port])}", port=port, hint=hint)


def holder(service: Service) -> PortHolder:
    """Return the deployment or service that has a port."""
    labels = service.labels
    if not is_ours(service):
        return PortHolder(f"the service {service.name}")
    return deployment_holder("swarm", labels[PROJECT], labels[f"{LABEL}env"], labels[f"{LABEL}name"], None)


def _choose(
    requested: int | None, default: int, current: int | None, taken: Mapping[int, Service], other: int | None = None
) -> int:
    if requested:
        check_free(requested, taken)
        return requested
    for preferred in (current, default if requested is None else None):
        if preferred and preferred not in taken and preferred != other:
            return preferred
    return next(
        port
        for port in random.sample(range(LOWEST_PORT, FIRST_EPHEMERAL), FIRST_EPHEMERAL - LOWEST_PORT)
        if port not in taken and port != other
    )
