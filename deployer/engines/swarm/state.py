"""The services, networks and secrets of a project on a Swarm."""

from __future__ import annotations

import time
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass

from deployer.engines.docker.names import LABEL, PROJECT
from deployer.engines.swarm import listing, secrets
from deployer.engines.swarm.api import SwarmApi, swarm_errors
from deployer.engines.swarm.inspection import Service
from deployer.engines.swarm.names import (
    CANDIDATE,
    GATEWAY,
    PULL,
    ROLE,
    SERVER,
    identity,
    is_named_for,
    service_name,
)
from deployer.errors import EngineError, NotOurs
from deployer.system.wait import Deadline, wait_until

NETWORK_SECONDS = 120.0
"""How long the removal of a network may take: a node has it until the last task there has drained."""
POLL_SECONDS = 0.1
ROLES = {SERVER: "", CANDIDATE: CANDIDATE, GATEWAY: GATEWAY, PULL: PULL}
"""The last part of the name of a service by its role."""


@dataclass(frozen=True)
class Services:
    """The services of one deployment."""

    server: Service | None = None
    candidate: Service | None = None
    pull: Service | None = None
    gateway: Service | None = None

    @property
    def all(self) -> tuple[Service, ...]:
        """Those that there are."""
        return tuple(filter(None, (self.server, self.candidate, self.pull, self.gateway)))

    @property
    def secret_ids(self) -> frozenset[str]:
        """The secrets that they use."""
        return frozenset(each for service in self.all for each in service.secret_ids)

    @property
    def network(self) -> str:
        """The id of the network of its servers; empty without any."""
        service = self.server or self.candidate
        return service.network if service else ""


@dataclass(frozen=True)
class SwarmState:
    """What a project has on a Swarm."""

    api: SwarmApi
    project: str

    def name(self, name: str, env: str, role: str = "") -> str:
        """Return the name of a service of a deployment."""
        return service_name(self.project, name, env, role)

    def labels(self, name: str, env: str) -> tuple[str, ...]:
        """Return the labels, NAME=VALUE, that the objects of a deployment have."""
        return f"{PROJECT}={self.project}", f"{LABEL}name={name}", f"{LABEL}env={env}"

    def services(self, name: str, env: str) -> Services:
        """Return the services of a deployment."""
        return by_role(service for service in self.api.services(*self.labels(name, env)) if is_ours(service))

    def all_services(self) -> dict[tuple[str, str], Services]:
        """Return the services of the project by (environment, name) of their deployment, in that order."""
        found: dict[tuple[str, str], list[Service]] = {}
        for service in filter(is_ours, self.api.services(f"{PROJECT}={self.project}")):
            found.setdefault((service.labels[f"{LABEL}env"], service.labels[f"{LABEL}name"]), []).append(service)
        return {key: by_role(found[key]) for key in sorted(found)}

    def check_name(self, name: str, env: str) -> None:
        """Raise NotOurs if a service has the name of the deployment's and was not made for it."""
        for role in ROLES.values():
            service = self.api.service(self.name(name, env, role))
            if service is not None and not (is_ours(service) and service.labels.get(PROJECT) == self.project):
                raise NotOurs(
                    f"the service {service.name} has the name of this deployment, and was not made for it",
                    hint=f"rename the deployment, or remove the service: docker service rm {service.name}",
                )

    def ensure_network(self, name: str, env: str, server: Service | None) -> str:
        """Return the id of the network that the server's service uses; without a service, create a new one."""
        if server is not None:
            return server.network
        network = self.name(name, env)
        self.remove_network(name, env)
        # A removed network stays on a node until the last task there has ended.
        if not wait_until(lambda: not self.networks(name, env), Deadline.after(NETWORK_SECONDS), POLL_SECONDS):
            raise EngineError(
                f"the network {network} was removed, and a node still has containers in it",
                hint=f"docker network inspect {network} shows them",
            )
        with swarm_errors(f"creating the network {network}"):
            labels = identity(self.project, name, env, "network")
            created = self.api.client.api.create_network(
                network, driver="overlay", attachable=True, labels=labels, check_duplicate=True
            )
        return str(created["Id"])

    def networks(self, name: str, env: str) -> tuple[str, ...]:
        """Return the ids of the deployment's networks: one, which may have been removed and not be gone yet."""
        network = self.name(name, env)
        with swarm_errors("listing networks"):
            listed = self.api.client.api.networks(filters={"label": list(self.labels(name, env))})
        return tuple(str(each["Id"]) for each in listed if each["Name"] == network and each["Scope"] == "swarm")

    def remove_network(self, name: str, env: str) -> None:
        """Remove the network of the deployment, if there is one. It goes from a node with the last task there."""
        for network in self.networks(name, env):
            self._remove_network(network, Deadline.after(NETWORK_SECONDS))

    def _remove_network(self, network: str, deadline: Deadline) -> None:
        while True:
            try:
                with swarm_errors(f"removing the network {network}"):
                    self.api.client.api.remove_network(network)
            except EngineError as error:
                if "not found" in error.message:
                    return
                if "in use" not in error.message or deadline.passed:  # by a helper that has just ended
                    raise
            else:
                return
            time.sleep(POLL_SECONDS)

    def remove_services(self, *services: Service | None) -> None:
        """Remove services."""
        for service in filter(None, services):
            self.api.remove_service(service.id)

    def remove_unused_secrets(self, name: str, env: str, services: Services) -> None:
        """Remove the secrets of the deployment's servers that no service of it uses."""
        secrets.remove_unused(self.api, self.labels(name, env), services.secret_ids)

    def used_ports(self, *, but: Collection[str] = ()) -> dict[int, Service]:
        """Return the services of the Swarm that publish ports, by port; without those with the names `but`."""
        services = [service for service in self.api.services() if service.name not in but]
        return {port: service for service in services for port in service.published_ports}


def by_role(services: Iterable[Service]) -> Services:
    """Return the services of one deployment by their role."""
    found: Mapping[str, Service] = {each.labels[ROLE]: each for each in services}
    return Services(found.get(SERVER), found.get(CANDIDATE), found.get(PULL), found.get(GATEWAY))


def is_ours(service: Service) -> bool:
    """Return whether a service was made by this tool: its labels fit its name, and those of a server can be read."""
    is_readable = service.labels.get(ROLE) not in (SERVER, CANDIDATE) or listing.label_problem(service) is None
    return is_named(service) and is_readable


def is_named(service: Service) -> bool:
    """Return whether a service has the name that belongs to its labels."""
    role = service.labels.get(ROLE, "")
    return role in ROLES and is_named_for(service.name, service.labels, ROLES[role])
