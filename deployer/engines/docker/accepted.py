"""What was accepted last of a deployment, whatever a killed command has left: recovery restores it, plans foresee it.

A killed promotion leaves marks of its progress (see `promotion`): the name of a container that was stopped for its
successor, and the links in the gateway's directory. Without that directory, the names of the containers tell.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from deployer.engines.base import SERVING
from deployer.engines.docker import listing
from deployer.engines.docker.gateway.directory import Active, GatewayDir
from deployer.engines.docker.inspection import ContainerSummary
from deployer.engines.docker.listing import GatewayContainer
from deployer.results.deployment import Deployment


@dataclass(frozen=True)
class Accepted:
    """The accepted server and gateway as they were found. Recovery removes the others."""

    server: Deployment | None = None
    is_retiring: bool = False
    """Whether the server was stopped for a successor: recovery starts it again."""

    active: Active | None = None
    """The record of the gateway that is in force and of its slot, whose server may be gone; None without a gateway."""

    gateway: GatewayContainer | None = None
    """The container of that gateway; None if it is gone."""

    @property
    def is_behind_gateway(self) -> bool:
        """Whether the server serves behind a gateway."""
        return self.active is not None and self.server is not None and bool(self.server.slot)

    @property
    def restarts_gateway(self) -> bool:
        """Whether recovery starts the gateway again; it cannot without the gateway's directory."""
        return self.is_behind_gateway and self.gateway is not None and not (self.gateway.running or self.gateway.lost)

    @property
    def recovered(self) -> Deployment | None:
        """The server as it is once recovery has run."""
        server = self.server
        if server is not None and self.is_retiring:
            return dataclasses.replace(server, running=True)
        if server is not None and server.gateway is not None and self.restarts_gateway:
            return dataclasses.replace(server, gateway=dataclasses.replace(server.gateway, running=True))
        return server


def last_accepted(listed: Sequence[ContainerSummary], directory: GatewayDir) -> Accepted:
    """Return what was accepted last of the deployment whose containers are `listed`."""
    servers, gateways = listing.named_servers(listed), listing.gateways(listed)
    active = directory.active() or _named_active((server for _, server in servers), gateways)
    if active is not None:
        in_slot = first_serving(server for _, server in servers if server.slot == active.slot)
        if in_slot is not None:
            found = (each for each in gateways if each.generation == active.generation)
            return Accepted(in_slot, active=active, gateway=next(found, None))
    retiring = [server for name, server in servers if listing.is_retiring(name, server)]
    server = next(iter(retiring), None) or first_serving(server for _, server in servers)
    return Accepted(server, bool(retiring), active)


def _named_active(servers: Iterable[Deployment], gateways: Iterable[GatewayContainer]) -> Active | None:
    """Return the gateway in force and its slot by the names of the containers.

    The directory of the gateway may have been deleted, or a removal killed.
    """
    serving = next((server for server in servers if server.slot and server.role == SERVING), None)
    gateway = next((each for each in gateways if each.active), None)
    return Active(gateway.generation if gateway else "", serving.slot) if serving else None


def first_serving(servers: Iterable[Deployment]) -> Deployment | None:
    """Return the serving server; of two during a change, the one that runs."""
    serving = [server for server in servers if server.role == SERVING]
    return next((server for server in serving if server.running), serving[0] if serving else None)
