"""The deployments of a project on a Swarm, and the conflicts and other projects on it."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from dataclasses import dataclass

from deployer.config.project import PROJECT as PROJECT_NAME
from deployer.engines.base import Engine
from deployer.engines.docker.names import LABEL, PROJECT
from deployer.engines.port_holders import PortHolder
from deployer.engines.swarm import config_lock, listing, ports
from deployer.engines.swarm.host import SwarmHost
from deployer.engines.swarm.inspection import Service
from deployer.engines.swarm.names import ROLE
from deployer.engines.swarm.observer import Observer
from deployer.engines.swarm.state import is_named, is_ours
from deployer.results.deployment import Deployment


@dataclass(frozen=True)
class SwarmInventory:
    """The Inventory of a Swarm; `engine` makes the engine of another project."""

    host: SwarmHost
    engine: Callable[[SwarmHost], Engine]

    def observe_all(self) -> tuple[Deployment, ...]:
        return tuple(Observer(self.host).every())

    def names(self) -> tuple[tuple[str, str], ...]:
        """Return what the project has. A network alone has the lock of the killed command that made it, or is going."""
        host = self.host
        keys = {(name, env) for env, name in host.state.all_services()}
        labels = []
        for kind in ("secrets", "configs"):
            found = host.api.objects(kind, f"{PROJECT}={host.project}", f"{LABEL}name", ROLE)
            labels += [each["Spec"]["Labels"] for each in found]
        keys |= {(each[f"{LABEL}name"], each.get(f"{LABEL}env", "")) for each in labels}
        return tuple(sorted(keys | config_lock.locked_deployments(host.api, host.project)))

    def lost(self, name: str | None = None, env: str | None = None) -> tuple[Deployment, ...]:
        """Return nothing: a service carries its labels itself."""
        del name, env
        return ()

    def conflicts(self, name: str | None = None, env: str | None = None) -> tuple[str, ...]:
        state = self.host.state
        labels = state.labels(name, env or "") if name else (f"{PROJECT}={self.host.project}",)
        found = {service.id: service for service in self.host.api.services(*labels, ROLE)}
        if name and (occupying := self.host.api.service(state.name(name, env or ""))):
            found[occupying.id] = occupying
        return tuple(sorted(filter(None, map(self._conflict, found.values()))))

    def _conflict(self, service: Service) -> str | None:
        """Return why a service conflicts with a deployment of the project, or None."""
        if service.labels.get(PROJECT) != self.host.project:
            return f"the service {service.name} has this deployment's name, and was not made for it"
        if is_ours(service):
            return None
        reason = "its name is not one that deployer gives it"
        if is_named(service):
            reason = str(listing.label_problem(service))
        return f"the service {service.name} says that it is of project {self.host.project}, but {reason}"

    def other_projects(self) -> tuple[Engine, ...]:
        services = self.host.api.services(PROJECT, ROLE)
        found = {service.labels[PROJECT] for service in services if is_ours(service)}
        projects = sorted(each for each in found - {self.host.project} if PROJECT_NAME.fullmatch(each))
        return tuple(self.engine(self._of_project(project)) for project in projects)

    def _of_project(self, project: str) -> SwarmHost:
        docker = dataclasses.replace(self.host.docker, project=project)
        return dataclasses.replace(self.host, docker=docker, is_other=True)

    def port_holder(self, port: int) -> PortHolder:
        """Return the service that publishes a port; which process of a node holds one is not known."""
        service = self.host.state.used_ports().get(port)
        return ports.holder(service) if service else PortHolder("a process of a node")
