"""The deployments of a project on a Docker Engine, and the conflicts and other projects on it."""

from __future__ import annotations

import dataclasses
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass

from deployer.engines import run_dir
from deployer.engines.base import SERVING, Engine
from deployer.engines.docker import engine_lock, networks
from deployer.engines.docker.api import docker_errors
from deployer.engines.docker.host import DockerHost
from deployer.engines.docker.names import LABEL
from deployer.engines.docker.ownership import is_started_by_us, project_of
from deployer.engines.docker.placement import port_publisher
from deployer.engines.port_holders import PortHolder
from deployer.results.deployment import Deployment


@dataclass(frozen=True)
class DockerInventory:
    """The Inventory of a Docker Engine; `engine` makes the engine of another project."""

    host: DockerHost
    engine: Callable[[DockerHost], Engine]

    def observe_all(self) -> tuple[Deployment, ...]:
        servers = sorted(self.host.state.servers(), key=lambda server: (server.env, server.name, server.running))
        serving = {(server.env, server.name): server for server in servers if server.role == SERVING}
        found = Counter((server.env, server.name) for server in servers)
        return tuple(dataclasses.replace(server, alone=found[key] == 1) for key, server in serving.items())

    def names(self) -> tuple[tuple[str, str], ...]:
        host = self.host
        with docker_errors("listing networks"):
            listed = host.client.api.networks(filters=networks.label_filter(None, None))
        owns = host.state.owner.owns_network
        labels = [container.labels for container in host.state.containers()]
        labels += [each["Labels"] for each in listed if owns(each["Labels"], each["Name"])]
        keys = {(each[f"{LABEL}name"], each[f"{LABEL}env"]) for each in labels}
        keys |= engine_lock.locked_deployments(host.client, host.project)
        directories = run_dir.list_deployments(host.state_dir / "docker") if host.project else ()
        keys |= {(name, env) for project, name, env in directories if project in ("", host.project)}
        return tuple(sorted(keys))

    def lost(self, name: str | None = None, env: str | None = None) -> tuple[Deployment, ...]:
        """Return nothing: a container carries its labels itself."""
        del name, env
        return ()

    def conflicts(self, name: str | None = None, env: str | None = None) -> tuple[str, ...]:
        return self.host.state.conflicts(name, env)

    def other_projects(self) -> tuple[Engine, ...]:
        owner = self.host.state.owner
        unclaimed = [
            container
            for container in self.host.state.listed()
            if is_started_by_us(container) and not owner.claimed(container)
        ]
        projects = {project for project in map(project_of, unclaimed) if project is not None}
        return tuple(
            self.engine(dataclasses.replace(self.host, project=project))
            for project in sorted(projects - {self.host.project})
        )

    def port_holder(self, port: int) -> PortHolder:
        return port_publisher(self.host.client, port) or self.host.machine.ports.holder(port)
