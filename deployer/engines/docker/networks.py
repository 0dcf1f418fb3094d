"""The networks of a deployment: a plain one, and behind a gateway one with two fixed addresses.

A fixed address outlives a restart of its container, and no other container can inherit it meanwhile. Docker grants one
only in a subnet that was named when the network was created: so a free one is taken that Docker itself chose.
"""

from __future__ import annotations

import contextlib
import ipaddress
import itertools
from collections.abc import Set
from dataclasses import dataclass
from typing import Any

from deployer.engines.docker.names import LABEL, PROJECT, container_name
from deployer.engines.docker.ownership import Ownership
from deployer.errors import EngineError

TRIES = 5
MARK = f"{LABEL}network"
PLAIN, SLOTTED = "plain", "slots"


def labelled(name: str | None, env: str | None) -> dict[str, list[str]]:
    """A filter for what bears the name of a deployment, in any project."""
    wanted = [f"{LABEL}name={name}" if name else f"{LABEL}name"]
    return {"label": wanted + ([f"{LABEL}env={env}"] if env else [])}


@dataclass(frozen=True)
class Networks:
    """Those of one deployment. `adopted` are the ids of those that its containers had before there were projects."""

    client: Any
    owner: Ownership
    name: str
    env: str
    adopted: Set[str] = frozenset()

    def ensure(self) -> str:
        """A network for one server; its name."""
        if found := self.find(PLAIN):
            return str(found.name)
        name = container_name(self.owner.project, self.name, self.env)
        self.client.api.create_network(name, driver="bridge", labels=self._labels(PLAIN), check_duplicate=True)
        return name

    def ensure_slots(self) -> tuple[str, tuple[str, str]]:
        """A network with two fixed addresses for servers; its name, and the addresses."""
        name = f"{container_name(self.owner.project, self.name, self.env)}-slots"
        found = self.find(SLOTTED) or _create_slotted(self.client, name, self._labels(SLOTTED))
        return str(found.name), slots(found)

    def find(self, kind: str) -> Any:
        """The network of that kind, or None."""
        return next((network for network in self._there() if network.attrs["Labels"].get(MARK, PLAIN) == kind), None)

    def remove(self, *, keep: Set[str] = frozenset()) -> None:
        """All but the kinds that are kept; no error when another removes them at the same time."""
        import docker.errors

        for network in self._there():
            if network.attrs["Labels"].get(MARK, PLAIN) not in keep:
                with contextlib.suppress(docker.errors.NotFound):
                    network.remove()

    def _there(self) -> list[Any]:
        listed = self.client.networks.list(filters=labelled(self.name, self.env))
        return [
            each
            for each in listed
            if each.id in self.adopted or self.owner.owns_network(each.attrs["Labels"], str(each.name))
        ]

    def _labels(self, kind: str) -> dict[str, str]:
        project = {PROJECT: self.owner.project} if self.owner.project else {}
        return {**project, f"{LABEL}name": self.name, f"{LABEL}env": self.env, MARK: kind}


def slots(network: Any) -> tuple[str, str]:
    """The two fixed addresses."""
    pool = network.attrs["IPAM"]["Config"][0]
    hosts = (str(host) for host in ipaddress.ip_network(pool["Subnet"]).hosts())
    first, second = itertools.islice((host for host in hosts if host != pool.get("Gateway", "").split("/")[0]), 2)
    return first, second


def _create_slotted(client: Any, network: str, labels: dict[str, str]) -> Any:
    """Between the look at a free subnet and its use another may take it: then the next one."""
    import docker.errors
    from docker.types import IPAMConfig

    for _ in range(TRIES):
        pool = _free_pool(client, network, labels)
        try:
            ipam = IPAMConfig(pool_configs=[pool])
            return _reloaded(client.networks.create(network, driver="bridge", labels=labels, ipam=ipam))
        except docker.errors.APIError as error:
            if "overlap" not in str(error.explanation).lower():
                raise
    raise EngineError(f"the network {network} found no free subnet", hint="docker network ls; docker network prune")


def _free_pool(client: Any, network: str, labels: dict[str, str]) -> Any:
    from docker.types import IPAMPool

    probe = client.networks.create(f"{network}-probe", driver="bridge", labels={**labels, MARK: "probe"})
    try:
        found = _reloaded(probe).attrs["IPAM"]["Config"][0]
        return IPAMPool(subnet=found["Subnet"], gateway=found.get("Gateway"))
    finally:
        probe.remove()


def _reloaded(network: Any) -> Any:
    network.reload()
    return network
