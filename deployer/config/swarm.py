"""The settings of services on a Docker Swarm: `[swarm]`."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import ClassVar, Literal, get_args

from deployer.config.fields import STRICT, check_positive, check_whole, doc, unset_zeros
from deployer.config.options import SwarmOptions
from deployer.config.sizes import check_size, size_in_bytes
from deployer.errors import InvalidValue

Publish = Literal["host", "ingress"]
MAX_REPLICAS = 250
"""An overlay network has 253 addresses, and a gateway knows 256 servers."""
DEFAULT_GATEWAYS = 2
EVERY_ADDRESS = "0.0.0.0"  # noqa: S104 - Swarm publishes ports on nothing less
LABEL = r"[A-Za-z0-9][A-Za-z0-9_.-]{0,127}"
ATTRIBUTE = rf"(?:node\.(?:id|hostname|ip|role|platform\.(?:os|arch)|labels\.{LABEL})|engine\.labels\.{LABEL})"
# Swarm takes any other attribute, and then no node fits.
CONSTRAINT = re.compile(rf"{ATTRIBUTE} *(?:==|!=) *[A-Za-z0-9][A-Za-z0-9:_./*+-]{{0,127}}")
# Swarm ignores a preference for anything else.
SPREAD = re.compile(rf"(?:node|engine)\.labels\.{LABEL}")
SECONDS = {"drain_seconds": (1, 3600), "monitor_seconds": (1, 3600)}


@dataclass(frozen=True)
class Swarm(SwarmOptions):
    """Services on a Docker Swarm: `[swarm]`. Swarm engine only."""

    __pydantic_config__: ClassVar[dict[str, str]] = STRICT

    publish: Publish = doc(
        "how the ports are open: `host`: on each node that has a gateway; `ingress`: on every node, by the routing "
        "mesh of the Swarm",
        default="host",
    )
    gateway_replicas: int = doc(
        "number of gateways with `publish` = `ingress`; with `host` each node has one", default=DEFAULT_GATEWAYS
    )
    constraints: tuple[str, ...] = doc("which nodes run servers, each such as `node.labels.zone==a`", default=())
    spread: str | None = doc(
        "node label whose values get equally many servers, such as `node.labels.zone`", default=None
    )
    max_per_node: int | None = doc("largest number of servers on a node; unset or 0: any", default=None)
    gateway_constraints: tuple[str, ...] = doc("which nodes run gateways, likewise", default=())
    reserve_memory: str | None = doc(
        "memory that a node must have free for each server, such as 2g; unset or 0: none is reserved", default=None
    )
    reserve_cpus: float | None = doc("CPUs that a node must have free for each server, likewise", default=None)
    drain_seconds: int = doc("how long requests in flight may take to end before their server is stopped", default=10)
    monitor_seconds: int = doc("how long each new server must run before the next one is replaced", default=5)

    def __post_init__(self) -> None:
        unset_zeros(self, "max_per_node", "reserve_memory", "reserve_cpus")
        if self.publish not in get_args(Publish):
            reason = f"publish: should be one of {', '.join(get_args(Publish))}, not {self.publish!r}"
            raise InvalidValue(reason, key_path=("publish",))
        for name in ("replicas", "gateway_replicas", "max_per_node"):
            value = getattr(self, name)
            if value is not None:
                check_whole(name, value, 1, MAX_REPLICAS)
        for name, (least, most) in SECONDS.items():
            check_whole(name, getattr(self, name), least, most)
        check_size("swarm.reserve_memory", self.reserve_memory)
        if self.reserve_cpus is not None:
            check_positive("reserve_cpus", self.reserve_cpus)
        self._check_placement()

    @property
    def reserve_memory_bytes(self) -> int | None:
        """The reserved memory in bytes; None if none is reserved."""
        return None if self.reserve_memory is None else size_in_bytes(self.reserve_memory)

    def _check_placement(self) -> None:
        for key in ("constraints", "gateway_constraints"):
            for constraint in getattr(self, key):
                if not CONSTRAINT.fullmatch(constraint):
                    raise InvalidValue(
                        f"{constraint[:80]!r} is no constraint of a Swarm",
                        hint="such as node.labels.zone==a, node.hostname!=node3 or node.role==worker",
                        key_path=(key,),
                    )
        if self.spread is not None and not SPREAD.fullmatch(self.spread):
            raise InvalidValue(
                f"spread {self.spread[:80]!r} is no label of a node, and Swarm spreads over labels alone",
                hint="such as node.labels.zone",
                key_path=("spread",),
            )
