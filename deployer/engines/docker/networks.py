"""The networks of a deployment: a plain one and, behind a gateway, one with two fixed addresses.

A fixed address outlives a restart of its container and goes to no other container. Docker assigns one only in a subnet
that was specified when the network was created: so the network gets a subnet that Docker has chosen before.
"""

from __future__ import annotations

import contextlib
import ipaddress
import itertools
from collections.abc import Set
from dataclasses import dataclass

import docker.errors
from docker import DockerClient
from docker.models.networks import Network
from docker.types import IPAMConfig, IPAMPool

from deployer.engines.docker.names import LABEL, PROJECT, container_name
from deployer.engines.docker.ownership import Ownership
from deployer.errors import EngineError

ATTEMPTS = 5
KIND_LABEL = f"{LABEL}network"
PLAIN, SLOTTED = "plain", "slots"


def label_filter(name: str | None, env: str | None) -> dict[str, list[str]]:
    """Return the filter for objects with the labels of a deployment, in any project."""
    labels = [f"{LABEL}name={name}" if name else f"{LABEL}name"]
    return {"label": labels + ([f"{LABEL}env={env}"] if env else [])}


@dataclass(frozen=True)
class Networks:
    """The networks of one deployment. `adopted` are the ids of those from before there were projects."""

    client: DockerClient
    owner: Ownership
    name: str
    env: str
    adopted: Set[str] = frozenset()

    def ensure(self) -> str:
        """Return the name of the network for one server; create it if it is missing."""
        if network := self.find(PLAIN):
            return str(network.name)
        name = container_name(self.owner.project, self.name, self.env)
        self.client.api.create_network(name, driver="bridge", labels=self._labels(PLAIN), check_duplicate=True)
        return name

    def ensure_slots(self) -> tuple[str, tuple[str, str]]:
        """Return the name of the network with two fixed addresses, and the addresses; create it if it is missing."""
        name = f"{container_name(self.owner.project, self.name, self.env)}-slots"
        network = self.find(SLOTTED) or _create_slotted(self.client, name, self._labels(SLOTTED))
        return str(network.name), slot_addresses(network)

    def find(self, kind: str) -> Network | None:
        """Return the network of that kind, or None."""
        return next(
            (network for network in self._owned() if network.attrs["Labels"].get(KIND_LABEL, PLAIN) == kind), None
        )

    def remove(self, *, keep: Set[str] = frozenset()) -> None:
        """Remove all networks but those of the kinds in `keep`."""
        for network in self._owned():
            if network.attrs["Labels"].get(KIND_LABEL, PLAIN) not in keep:
                with contextlib.suppress(docker.errors.NotFound):
                    network.remove()

    def _owned(self) -> list[Network]:
        networks = self.client.networks.list(filters=label_filter(self.name, self.env))
        return [
            network
            for network in networks
            if network.id in self.adopted or self.owner.owns_network(network.attrs["Labels"], str(network.name))
        ]

    def _labels(self, kind: str) -> dict[str, str]:
        project = {PROJECT: self.owner.project} if self.owner.project else {}
        return {**project, f"{LABEL}name": self.name, f"{LABEL}env": self.env, KIND_LABEL: kind}


def slot_addresses(network: Network) -> tuple[str, str]:
    """Return the two fixed addresses of a network."""
    pool = network.attrs["IPAM"]["Config"][0]
    hosts = (str(host) for host in ipaddress.ip_network(pool["Subnet"]).hosts())
    first, second = itertools.islice((host for host in hosts if host != pool.get("Gateway", "").split("/")[0]), 2)
    return first, second


def _create_slotted(client: DockerClient, network: str, labels: dict[str, str]) -> Network:
    for _ in range(ATTEMPTS):
        pool = _free_pool(client, network, labels)
        try:
            ipam = IPAMConfig(pool_configs=[pool])
            # Another network may have taken the subnet in between; then the next one is tried.
            return _reloaded(client.networks.create(network, driver="bridge", labels=labels, ipam=ipam))
        except docker.errors.APIError as error:
            if "overlap" not in str(error.explanation).lower():
                raise
    raise EngineError(f"the network {network} found no free subnet", hint="docker network ls; docker network prune")


def _free_pool(client: DockerClient, network: str, labels: dict[str, str]) -> IPAMPool:
    probe = client.networks.create(f"{network}-probe", driver="bridge", labels={**labels, KIND_LABEL: "probe"})
    try:
        config = _reloaded(probe).attrs["IPAM"]["Config"][0]
        return IPAMPool(subnet=config["Subnet"], gateway=config.get("Gateway"))
    finally:
        probe.remove()


def _reloaded(network: Network) -> Network:
    network.reload()
    return network
