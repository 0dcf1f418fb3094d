"""The networks of a deployment: a plain one, and behind a gateway one with two fixed addresses.

A fixed address outlives a restart of its container, and no other container can inherit it meanwhile. Docker grants one
only in a subnet that was named when the network was created: so a free one is taken that Docker itself chose.
"""

from __future__ import annotations

import contextlib
import ipaddress
import itertools
from typing import Any

from deployer.engines.docker.names import LABEL
from deployer.errors import EngineError

TRIES = 5
MARK = f"{LABEL}network"
PLAIN, SLOTTED = "plain", "slots"


def labelled(name: str | None, env: str | None) -> dict[str, list[str]]:
    """A filter for what belongs to a deployment."""
    wanted = [f"{LABEL}name={name}" if name else f"{LABEL}name"]
    return {"label": wanted + ([f"{LABEL}env={env}"] if env else [])}


def ensure(client: Any, network: str, name: str, env: str) -> None:
    """A network for one server."""
    if _find(client, name, env, PLAIN) is None:
        client.api.create_network(network, driver="bridge", labels=_labels(name, env, PLAIN), check_duplicate=True)


def ensure_slots(client: Any, network: str, name: str, env: str) -> tuple[str, str]:
    """A network with two fixed addresses for servers; the addresses."""
    found = _find(client, name, env, SLOTTED)
    return slots(found if found is not None else _create_slotted(client, network, _labels(name, env, SLOTTED)))


def slots(network: Any) -> tuple[str, str]:
    """The two fixed addresses."""
    pool = network.attrs["IPAM"]["Config"][0]
    hosts = (str(host) for host in ipaddress.ip_network(pool["Subnet"]).hosts())
    first, second = itertools.islice((host for host in hosts if host != pool.get("Gateway", "").split("/")[0]), 2)
    return first, second


def remove(client: Any, name: str, env: str, *, keep: frozenset[str] = frozenset()) -> None:
    """Those of a deployment, but for the kinds that are kept; no error when another removes them meanwhile."""
    import docker.errors

    for network in client.networks.list(filters=labelled(name, env)):
        if network.attrs["Labels"].get(MARK, PLAIN) not in keep:
            with contextlib.suppress(docker.errors.NotFound):
                network.remove()


def _labels(name: str, env: str, kind: str) -> dict[str, str]:
    return {f"{LABEL}name": name, f"{LABEL}env": env, MARK: kind}


def _find(client: Any, name: str, env: str, kind: str) -> Any:
    there = client.networks.list(filters=labelled(name, env))
    return next((network for network in there if network.attrs["Labels"].get(MARK, PLAIN) == kind), None)


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
