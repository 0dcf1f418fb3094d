"""The deployments of a project on a Swarm, with addresses at which this machine reaches them."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from deployer.config.engine_address import SSH
from deployer.engines.docker.api import transport_to
from deployer.engines.docker.names import LABEL
from deployer.engines.swarm import listing, service_spec
from deployer.engines.swarm.gateway.undo import Fate
from deployer.engines.swarm.host import SwarmHost
from deployer.engines.swarm.inspection import RELEASE, NodeInfo, Service, Task
from deployer.engines.swarm.recovery import last_accepted
from deployer.engines.swarm.state import Services
from deployer.errors import EngineError
from deployer.results.deployment import Deployment


@dataclass(frozen=True)
class Observer:
    """Reads deployments from the services of `host`."""

    host: SwarmHost

    def serving(self, name: str, env: str) -> Deployment | None:
        """Return the deployment whose servers were accepted, running or not; None without one."""
        services = self.host.state.services(name, env)
        is_serving = services.server is not None and _is_serving(services.server)
        return self._server(services, services.server) if services.server and is_serving else None

    def recovered(self, name: str, env: str) -> Deployment | None:
        """Return the deployment as it is once recovery has run."""
        services = self.host.state.services(name, env)
        server = services.server
        left = last_accepted(server) if server else None
        if server is None or left is None:
            return None
        undone = server.labels.get(RELEASE, "")
        if left is server:
            gateway = services.gateway
            is_undone = gateway is not None and self.host.gateway.fate(gateway, name, env) is Fate.UNDO
            return self._server(services, left, undone if is_undone else "")
        return dataclasses.replace(self._server(services, left, undone), running=True)

    def release(self, name: str, env: str, release: str) -> Deployment | None:
        """Return the candidate or the servers of a release, accepted or not; None without any."""
        services = self.host.state.services(name, env)
        if services.server is not None and services.server.labels.get(RELEASE) == release:
            return self._server(services, services.server)
        if services.candidate is not None and services.candidate.labels.get(RELEASE) == release:
            return self._candidate(services.candidate)
        return None

    def require(self, name: str, env: str, release: str) -> Deployment:
        """Return the candidate or the servers of a release. Raise EngineError without any."""
        if found := self.release(name, env, release):
            return found
        raise EngineError(f"the service of release {release} is gone", hint="run the command again")

    def every(self) -> Iterator[Deployment]:
        """Yield the serving deployments of the project, by environment and name."""
        for services in self.host.state.all_services().values():
            server = services.server
            if server is not None and _is_serving(server):
                yield self._server(services, server)

    def _server(self, services: Services, service: Service, undone: str = "") -> Deployment:
        """Return what `service` serves; its gateway is the one from before an `undone` release."""
        tasks = self.host.api.tasks(service.id)
        server = listing.parse(service, self._directory(service), running=any(task.runs for task in tasks))
        nodes, gateways = self.host.api.nodes(), self.host.gateway
        gateway = gateways.observe(server.name, server.env, undone) or gateways.gone(server.name, server.env)
        addresses = self._addresses(services.gateway, server, nodes)
        here = nodes.get(self.host.info.node_id)
        preferred = here.name if here else ""
        if preferred in addresses and self.host.info.address:
            addresses[preferred] = self.host.info.address
        reached = listing.at_gateway(server, gateway, addresses, preferred, _servers_by_node(tasks, nodes))
        return self._through_ssh(reached, service)

    def _addresses(self, gateway: Service | None, server: Deployment, nodes: Mapping[str, NodeInfo]) -> dict[str, str]:
        """Return the addresses of the nodes where a gateway answers, by the name of the node."""
        found = dict(self.host.gateway.nodes(server.name, server.env)) if gateway else {}
        if found and gateway and gateway.is_in_routing_mesh:
            return {node.name: node.address for node in nodes.values() if node.ready}
        return found

    def _candidate(self, service: Service) -> Deployment:
        network, tasks = service.network, self.host.api.tasks(service.id)
        running = any(task.is_current and not task.has_ended for task in tasks)
        candidate = listing.parse(service, self._directory(service), running=running)
        task = next((task for task in tasks if network in task.addresses), None)
        if task is None:
            return candidate
        return self.host.overlay(network).reachable(listing.at_task(candidate, task, network))

    def _through_ssh(self, serving: Deployment, service: Service) -> Deployment:
        """Return a deployment whose requests go through a helper, if this machine reaches the manager by SSH alone."""
        if not self._is_behind_ssh or not serving.nodes or serving.endpoints == listing.NO_ADDRESS:
            return serving
        return self.host.overlay(service.network).reachable(serving)

    @cached_property
    def _is_behind_ssh(self) -> bool:
        return transport_to(self.host.docker.settings.host).address.scheme == SSH

    def _directory(self, service: Service) -> Path:
        labels = service.labels
        name, env, release = (labels.get(key, "") for key in (f"{LABEL}name", f"{LABEL}env", RELEASE))
        return self.host.release_dir(name, env, release)


def _servers_by_node(tasks: Iterable[Task], nodes: Mapping[str, NodeInfo]) -> dict[str, int]:
    """Return how many of the tasks run, by the name of their node."""
    found: dict[str, int] = {}
    for task in tasks:
        if task.runs and task.is_current and (node := nodes.get(task.node_id)):
            found[node.name] = found.get(node.name, 0) + 1
    return found


def _is_serving(service: Service) -> bool:
    """Return whether the servers of a service, or those before them, were accepted."""
    return service_spec.is_accepted(service.labels) or bool(service.labels.get(service_spec.REPLACES))
