"""Recovery of a change that failed or was killed: the last accepted server serves again, and the rest is removed."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator
from dataclasses import dataclass

from deployer.engines.swarm import scaling, service_spec
from deployer.engines.swarm.gateway import undo
from deployer.engines.swarm.gateway.undo import Fate
from deployer.engines.swarm.host import SwarmHost
from deployer.engines.swarm.inspection import RELEASE, Service
from deployer.engines.swarm.scaling import Scaling
from deployer.engines.swarm.state import Services
from deployer.engines.swarm.tasks import Tasks

KILLED = "the change was killed"


@dataclass(frozen=True)
class Recovery:
    """The recovery of one deployment, with its lock held."""

    host: SwarmHost
    tasks: Tasks
    name: str
    env: str

    def run(self) -> tuple[str, ...]:
        """Recover the deployment, and return what was done, one sentence each."""
        notes = tuple(self._repair(self.host.state.services(self.name, self.env)))
        self.clear_unused()
        return notes

    def leftovers(self) -> tuple[str, ...]:
        """Return what will be done about a killed `scale`, and about a gateway without a server or not accepted."""
        services = self.host.state.services(self.name, self.env)
        if _is_left(services):
            return (f"remove the gateway of {self._title}, which has no server, and its certificate",)
        scaled = scaling.shown(services.server) if services.server else ""
        return tuple(filter(None, (scaled, self._gateway_leftover(services.gateway))))

    def _gateway_leftover(self, gateway: Service | None) -> str:
        fate = self._fate(gateway)
        if gateway is None or fate is None:
            return ""
        if fate is Fate.UNDO:
            return f"return the gateway of {self._title} to its former settings{_tokens_note(gateway)}: {KILLED}"
        what = "it has the settings of this command" if fate is Fate.COMPLETE else "its former settings are not known"
        return f"complete the killed change of the gateway of {self._title}: {what}"

    def _repair(self, services: Services) -> Iterator[str]:
        if _is_left(services):  # see clear_unused
            yield f"the gateway of {self._title} was left without a server, and is removed"
        if services.server is not None:
            yield from self._repair_server(services.server, services.gateway)
            yield from self._repair_gateway(services.gateway)
        for candidate in filter(None, (services.candidate,)):
            yield f"the server {candidate.labels.get(RELEASE)} was left by a killed command, and is removed"
        self.host.state.remove_services(services.candidate, services.pull)

    def _repair_server(self, server: Service, gateway: Service | None) -> Iterator[str]:
        release, left = server.labels.get(RELEASE, ""), last_accepted(server)
        if left is None:
            self.host.state.remove_services(server)
            yield f"release {release}, which was not accepted yet, is removed"
        elif left is not server:
            yield self._roll_back(server, left.labels.get(RELEASE, ""), gateway)
        elif not service_spec.is_accepted(server.labels):
            yield self._keep(server, release)
        elif server.update_state == "rollback_started":
            self._await_rollback(server, release)
        elif (before := service_spec.scaled_from(server.labels)) is not None:
            yield Scaling(self.host, self.tasks).complete(server, before)

    def _roll_back(self, server: Service, before: str, gateway: Service | None) -> str:
        self.host.api.roll_back_service(server)
        self._await_rollback(server, before)
        if gateway is not None and gateway.labels.get(RELEASE) == server.labels.get(RELEASE):
            self.host.gateway.restore(self.name, self.env)
        return f"release {before} serves again: what was to replace it was not accepted yet"

    def _repair_gateway(self, gateway: Service | None) -> Iterator[str]:
        """Complete a change of the gateway alone that the settings ask for, or that cannot be undone; undo another."""
        fate = self._fate(gateway)
        if gateway is None or fate is None:
            return
        if fate is Fate.UNDO:
            self.host.gateway.restore(self.name, self.env)
            self.host.gateway.accept(self.name, self.env)
            yield (
                f"a killed change of the gateway of {self._title} was undone first{_tokens_note(gateway)}; "
                "unless the plan changes the gateway, its former settings are in force"
            )
        elif self.host.gateway.complete(self.name, self.env):
            yield f"a killed change of the gateway of {self._title} is completed: its settings are in force now"
        else:
            yield f"Swarm has undone a killed change of the gateway of {self._title}: its tasks did not run"

    def _fate(self, gateway: Service | None) -> Fate | None:
        return self.host.gateway.fate(gateway, self.name, self.env) if gateway else None

    @property
    def _title(self) -> str:
        return f"{self.name} [{self.env}]"

    def _keep(self, server: Service, release: str) -> str:
        """Accept servers whose predecessors Swarm does not know any more: another program has updated the service."""
        self.host.api.update_service(server, service_spec.accepted(server.spec))
        return f"release {release} serves on: the service was updated by another program, and cannot be rolled back"

    def _await_rollback(self, server: Service, release: str) -> None:
        """Wait until the servers of a release alone get requests again."""
        self.tasks.await_rollback(server)
        self.tasks.await_replaced(server.id, release)

    def clear_unused(self) -> None:
        """Remove the secrets that no service uses; without a server also the gateway and the network."""
        state = self.host.state
        services = state.services(self.name, self.env)
        state.remove_unused_secrets(self.name, self.env, services)
        if services.server is not None:
            self.host.gateway.prune(self.name, self.env)
        elif services.candidate is None:
            self.host.gateway.remove(self.name, self.env)
            for network in state.networks(self.name, self.env):
                self.host.overlay(network).end()
            state.remove_network(self.name, self.env)


def _tokens_note(gateway: Service) -> str:
    return ", with the tokens of the killed change" if undo.keeps_tokens(gateway) else ""


def last_accepted(server: Service) -> Service | None:
    """Return the service as recovery leaves it: with the last specification that was accepted; None if it removes it.

    Once another program has updated the service, Swarm does not know that specification any more. Then the service is
    kept as it is.
    """
    if service_spec.is_accepted(server.labels):
        return server
    previous = server.previous or {}
    if service_spec.is_accepted(previous.get("Labels") or {}):
        return dataclasses.replace(server, spec=previous, previous=None)
    return server if server.labels.get(service_spec.REPLACES) else None


def _is_left(services: Services) -> bool:
    """Return whether there is a gateway and no server that it could send requests to."""
    return services.gateway is not None and services.server is None and services.candidate is None
