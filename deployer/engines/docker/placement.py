"""The placement of a candidate's container: its name, its ports or its slot behind the gateway."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from docker import DockerClient

from deployer.engines.docker.api import docker_errors
from deployer.engines.docker.gateway.directory import SLOTS, other_slot
from deployer.engines.docker.inspection import ContainerSummary
from deployer.engines.docker.machine import Ports
from deployer.engines.docker.names import LABEL, PROJECT, container_name
from deployer.engines.docker.sdk_arguments import Placement
from deployer.engines.docker.state import DockerState
from deployer.engines.port_holders import PortHolder, deployment_holder
from deployer.errors import PortTaken
from deployer.results.deployment import GRPC_PORT, REST_PORT, Deployment
from deployer.results.launch import Launch

FOLDER_LEVEL, GATEWAY_LEVEL = 3, 2
"""STATE_DIR/docker/ENV@PROJECT/NAME/RELEASE of a server, and STATE_DIR/gateway/ENV@PROJECT/NAME of a gateway."""


@dataclass(frozen=True)
class Placer:
    """Finds the placement for one launch; with `has_gateway`, in a slot behind the gateway."""

    state: DockerState
    launch: Launch
    has_gateway: bool

    def place(self, release: str, observed: Deployment | None) -> Placement:
        """Return a free placement, with its network created. Raise PortTaken, EngineError."""
        launch = self.launch
        old = observed if observed and observed.holds_ports else None
        current_rest, current_grpc = (observed.rest_port, observed.grpc_port) if observed else (None, None)
        rest = self._port(launch.rest_port, REST_PORT, current_rest, held=old is not None)
        grpc = self._port(launch.grpc_port, GRPC_PORT, current_grpc, held=old is not None, exclude=rest)
        if self.has_gateway:  # else an invalid address would be noticed only when the gateway is replaced
            self.state.machine.ports.any_free(launch.host)
        slot, address, network = self._slot(observed) if self.has_gateway else ("", "", self._network())
        own_rest, own_grpc = (REST_PORT, GRPC_PORT) if slot else self._direct_ports(observed, rest, grpc)
        return Placement(
            release=release,
            container=container_name(self.state.project, launch.name, launch.env, release),
            network=network,
            directory=(self.state.deployment_dir(launch.name, launch.env) / release).resolve(),
            rest_port=rest,
            grpc_port=grpc,
            own_rest_port=own_rest,
            own_grpc_port=own_grpc,
            slot=slot,
            address=address,
            gateway=self.state.gateway_dir(launch.name, launch.env).path if slot else None,
        )

    def _slot(self, observed: Deployment | None) -> tuple[str, str, str]:
        """Return the inactive slot, its address and the network."""
        active = self.state.gateway_dir(self.launch.name, self.launch.env).active()
        active_slot = active.slot if active else (observed.slot if observed else "")
        slot = other_slot(active_slot) if active_slot else SLOTS[0]
        with docker_errors(f"creating the network of {self.launch.name}"):
            network, addresses = self.state.networks(self.launch.name, self.launch.env).ensure_slots()
        return slot, addresses[SLOTS.index(slot)], network

    def _network(self) -> str:
        with docker_errors(f"creating the network of {self.launch.name}"):
            return self.state.networks(self.launch.name, self.launch.env).ensure()

    def _direct_ports(self, observed: Deployment | None, rest: int, grpc: int) -> tuple[int, int]:
        """Return the final ports if the candidate replaces nothing, else free ones."""
        if observed is None or not is_replaced(observed):
            return rest, grpc
        ports = self.state.machine.ports
        own = ports.any_free(self.launch.host, rest, grpc)
        return own, ports.any_free(self.launch.host, rest, grpc, own)

    def _port(
        self, requested: int | None, default: int, current: int | None, *, held: bool, exclude: int | None = None
    ) -> int:
        """Return the current port if the deployment holds it, else the requested one, the default, or any free one."""
        # Always a definite port: one that Docker chooses would change whenever the container restarts.
        host, ports = self.launch.host, self.state.machine.ports
        if held and current is not None and requested in (None, 0, current):
            return current
        if requested:
            check_free(self.state.client, ports, host, requested)
            return requested
        return ports.first_free(host, current, default if requested is None else None) or ports.any_free(host, exclude)


def is_replaced(observed: Deployment) -> bool:
    """Return whether a successor starts on other ports at first: the server runs, or a gateway holds the ports."""
    return observed.running or observed.holds_ports


def check_free(client: DockerClient, ports: Ports, host: str, port: int) -> None:
    """Raise PortTaken, which names the holder, if a port cannot be bound."""
    if holder := port_publisher(client, port):
        hint = "choose another, or 0 for any free one"
        raise PortTaken(f"port {port} is taken by {holder}", port=port, hint=hint)
    ports.check_free(host, port)


def port_publisher(client: DockerClient, port: int) -> PortHolder | None:
    """Return the container or deployment that has a port of the engine's machine, or None."""
    with docker_errors("listing containers"):
        listed = client.api.containers(filters={"publish": str(port)})
        # A gateway uses the host network and publishes no ports.
        listed += client.api.containers(filters={"label": [f"{LABEL}role=gateway"]})
    for container in map(ContainerSummary.parse, listed):
        labels = container.labels
        if f"{LABEL}generation" in labels and str(port) not in (
            labels.get(f"{LABEL}rest_port"),
            labels.get(f"{LABEL}grpc_port"),
        ):
            continue
        return _deployment(labels) if f"{LABEL}name" in labels else PortHolder(f"the container {container.name}")
    return None


def _deployment(labels: Mapping[str, str]) -> PortHolder:
    project, env, name = (labels.get(key, "") for key in (PROJECT, f"{LABEL}env", f"{LABEL}name"))
    return deployment_holder("docker", project, env, name, _state_dir(labels))


def _state_dir(labels: Mapping[str, str]) -> Path | None:
    """Return the state directory of a deployment by a directory in it; None if no label has one."""
    for label, level in ((f"{LABEL}folder", FOLDER_LEVEL), (f"{LABEL}gateway", GATEWAY_LEVEL)):
        parents = Path(labels.get(label, "")).parents
        if len(parents) > level:
            return parents[level]
    return None
