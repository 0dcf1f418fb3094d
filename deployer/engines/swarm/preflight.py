"""The checks of a Swarm before servers are started: its managers, its nodes, the image, the models and the address."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from deployer.engines.base import Address
from deployer.engines.docker import findings, probe
from deployer.engines.docker.api import parse_api_version
from deployer.engines.swarm.api import MANAGER_HINT, NO_LEADER, QUORUM_HINT
from deployer.engines.swarm.host import SwarmHost
from deployer.engines.swarm.inspection import NodeInfo, SwarmInfo
from deployer.engines.swarm.names import GATEWAY
from deployer.engines.swarm.ports import check_free
from deployer.errors import EngineError
from deployer.results.checks import Finding
from deployer.results.deployment import Deployment
from deployer.results.model import Model
from deployer.results.served import ServedModel
from deployer.savedmodel.op_sets import target_of_image

SWARM, NODES = "swarm", "nodes"
OLDEST_API, OLDEST_ENGINE = "1.41", "20.10"
"""The first version that limits the processes and capabilities of a service."""


@dataclass(frozen=True)
class SwarmPreflight:
    """The Preflight of a Swarm."""

    host: SwarmHost

    def platform(self) -> tuple[Finding, ...]:
        """Check the engine, whether it is a manager of a Swarm that has a quorum, its nodes, and the image."""
        host = self.host.docker
        try:
            info, swarm = host.info(), self.host.info
        except EngineError as error:
            return (Finding(findings.ENGINE, "error", error.message, error.hint or ""),)
        if problem := manager_problem(swarm) or api_problem(host.client.api.api_version):
            return (problem,)
        try:
            nodes = tuple(self.host.api.nodes().values())
        except EngineError as error:
            return (Finding(SWARM, "error", error.message, error.hint or ""),)
        return (
            *findings.of_engine(info, host.settings),
            *findings.of_api(host.client.api.api_version, host.settings),
            *findings.of_config(),
            Finding(SWARM, "ok", f"a manager of a Swarm of {len(nodes)} {'node' if len(nodes) == 1 else 'nodes'}"),
            *of_nodes(nodes),
            *findings.of_image(host.image, info, host.settings),
            *of_image(host.settings.image, nodes),
        )

    def models(self, models: Sequence[Model]) -> tuple[Finding, ...]:
        """Check the TensorFlow of the image; by the image's name alone if the engine does not have it."""
        from deployer.engines import compatibility

        host = self.host.docker
        if host.image is None or not models:
            return tuple(compatibility.findings(target_of_image(host.settings.image), models))
        return tuple(probe.findings(host.client, host.settings, None, models))

    def address(self, name: str, env: str, address: Address) -> None:
        """Raise PortTaken for a port that another service publishes. Which processes nodes run is not known."""
        requested = [port for port in (address.rest_port, address.grpc_port) if port]
        state = self.host.state
        taken = state.used_ports(but=(state.name(name, env, GATEWAY),)) if requested else {}
        for port in requested:
            check_free(port, taken)

    def reload(self, deployment: Deployment, models: tuple[ServedModel, ...]) -> str:
        """Return that no server reloads."""
        del models
        return f"{deployment.name} has its models in its image"


def manager_problem(swarm: SwarmInfo) -> Finding | None:
    """Return why an engine cannot be used as a manager of a Swarm, or None."""
    if NO_LEADER.search(swarm.error):
        text = "the Swarm has lost its quorum: too few of its managers reach one another"
        return Finding(SWARM, "error", text, QUORUM_HINT)
    if not swarm.is_manager:
        part = "is a worker of a Swarm" if swarm.state == "active" else "is part of no Swarm"
        reason = f" ({swarm.error})" if swarm.error else ""
        return Finding(SWARM, "error", f"the Docker Engine {part}, and no manager{reason}", MANAGER_HINT)
    return None


def api_problem(version: str) -> Finding | None:
    """Return that an engine is too old, or None."""
    if parse_api_version(version) >= parse_api_version(OLDEST_API):
        return None
    text = f"services need API {OLDEST_API}, and the Docker Engine speaks {version}"
    return Finding(findings.ENGINE, "error", text, f"upgrade Docker to {OLDEST_ENGINE} or newer")


def of_nodes(nodes: Sequence[NodeInfo]) -> Iterator[Finding]:
    """Yield the nodes that run nothing now."""
    for node in nodes:
        if not node.ready:
            yield Finding(NODES, "warning", f"the node {node.name} does not answer", "docker node ls")
        elif not node.active:
            yield Finding(NODES, "warning", f"the node {node.name} takes no tasks", f"docker node update {node.name}")


def of_image(image: str, nodes: Sequence[NodeInfo]) -> Iterator[Finding]:
    """Yield that nodes cannot get an image that no registry has."""
    if image.startswith("sha256:") and len(nodes) > 1:
        text = f"the other {len(nodes) - 1} nodes of the Swarm cannot get {image[:19]}..., which is in no registry"
        yield Finding(findings.IMAGE, "error", text, "set image.repository to a repository of a registry")
