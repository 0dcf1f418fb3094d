"""Recovery of a promotion that was killed: undone before its acceptance, completed after it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from deployer.engines.base import CANDIDATE, adoption_note
from deployer.engines.docker import listing
from deployer.engines.docker.accepted import Accepted, first_serving, last_accepted
from deployer.engines.docker.api import docker_errors, remove_container
from deployer.engines.docker.gateway.containers import GatewayContainers
from deployer.engines.docker.gateway.directory import Active
from deployer.engines.docker.inspection import ContainerSummary
from deployer.engines.docker.listing import GatewayContainer
from deployer.engines.docker.names import LABEL, container_name
from deployer.engines.docker.state import DockerState, listed_name
from deployer.results.deployment import Deployment


def leftovers(state: DockerState, name: str, env: str) -> tuple[str, ...]:
    """Return what recovery will do about a gateway that has no server or is not running."""
    listed = state.containers(name, env)
    if last_accepted(listed, state.gateway_dir_of(listed, name, env)).restarts_gateway:
        return (f"start the gateway of {name} [{env}] again, which is not running",)
    if not listing.gateways(listed) or any(server.slot for server in listing.servers(listed)):
        return ()
    return (f"remove the gateway of {name} [{env}], which has no server and holds the ports",)


@dataclass(frozen=True)
class Recovery:
    """The recovery of one deployment, with its lock held."""

    state: DockerState
    gateways: GatewayContainers

    @property
    def name(self) -> str:
        return self.gateways.name

    @property
    def env(self) -> str:
        return self.gateways.env

    def run(self, listed: Sequence[ContainerSummary]) -> tuple[str, ...]:
        """Recover the deployment whose containers are `listed`, and return what was done, one sentence each."""
        adopted = []
        if self.state.adopt(self.name, self.env):
            adopted = [adoption_note(self.name, self.env, self.state.project)]
            listed = self.state.containers(self.name, self.env)
        resumed = self._resume(listed)
        return (*adopted, *resumed, *self._repair(listed))

    def _resume(self, listed: Sequence[ContainerSummary]) -> list[str]:
        """Resume containers that somebody has paused: they hold their ports and answer nothing."""
        notes = []
        for container in listed:
            if container.paused:
                with docker_errors(f"resuming {container.name}"):
                    self.state.client.api.unpause(container.id)
                part = "gateway" if f"{LABEL}generation" in container.labels else "server"
                notes.append(f"the {part} of {self.name} [{self.env}] was paused, and is resumed")
        return notes

    def _repair(self, listed: Sequence[ContainerSummary]) -> tuple[str, ...]:
        if self._is_clean(listed):
            self.state.clear_unused(self.name, self.env, listed)
            return ()
        accepted = last_accepted(self.state.containers(self.name, self.env), self.gateways.directory)
        with docker_errors(f"mending {self.name} [{self.env}]"):
            if accepted.server is not None and accepted.active is not None and accepted.is_behind_gateway:
                notes = self._repair_behind_gateway(accepted, accepted.server, accepted.active)
            else:
                notes = self._repair_without_gateway(accepted)
        return (*notes, *self._discard_candidates())

    def _is_clean(self, listed: Sequence[ContainerSummary]) -> bool:
        """Return whether there is nothing to recover: one server without a gateway, or none. This is the usual case."""
        expected = (self._serving_name,)
        return all(container.names == expected for container in listed) and not self.gateways.directory.in_use

    def _repair_without_gateway(self, accepted: Accepted) -> list[str]:
        """Remove gateways that were never accepted, or have no server; restart a server that was stopped."""
        notes = [self._removal_note(is_in_force=accepted.active is not None)] if self.gateways.all() else []
        if accepted.active is not None:  # clients trust the certificate of a gateway that was accepted
            self.gateways.directory.keep_certificate()
        self.gateways.remove()
        if accepted.server is not None and accepted.is_retiring:
            notes.append(self._restore(accepted.server))
        return notes

    def _removal_note(self, *, is_in_force: bool) -> str:
        if is_in_force:
            return f"the gateway of {self.name} [{self.env}] was left without a server, and is removed"
        return "a gateway that is not in force is removed"

    def _restore(self, old: Deployment) -> str:
        serving = self._serving_name
        for container in self.state.containers(self.name, self.env):
            if container.name == serving:
                remove_container(self.state.client.containers.get(container.id))
        restored = self.state.container(old)
        restored.rename(serving)
        restored.start()
        return f"release {old.release} serves again: what was to replace it was not accepted yet"

    def _repair_behind_gateway(self, accepted: Accepted, serving: Deployment, active: Active) -> list[str]:
        notes = []
        for server in self._servers():
            if not server.slot:
                self.state.discard(server)
                notes.append(f"release {server.release}, which does not serve, is removed")
        return [*notes, *self._repair_gateway(accepted.gateway, active), *self._rename_serving(serving)]

    def _repair_gateway(self, gateway: GatewayContainer | None, active: Active) -> list[str]:
        gateways = self.gateways.all()
        if gateway is None:  # its directory still records the serving slot
            for container in gateways:
                self.gateways.retire(container)
            return []
        notes = ["a gateway that is not in force is removed"] if len(gateways) > 1 else []
        if gateway.lost:  # a new gateway replaces it with the next server
            self.gateways.retire_others(keep=gateway)
            return notes
        if not self.gateways.admin(gateway).accepts_requests():
            self.gateways.revive(gateway)
            notes.insert(0, "the gateway takes requests again")
        self.gateways.directory.activate(gateway.generation)
        self.gateways.finalize(gateway)
        self.gateways.directory.restore(active)
        self._restore_slot(gateway_slot=active.slot)
        return notes

    def _restore_slot(self, gateway_slot: str) -> None:
        gateway = self.gateways.active()
        if gateway is not None:
            self.gateways.admin(gateway).route_to(gateway_slot)

    def _rename_serving(self, serving: Deployment) -> list[str]:
        for server in self._servers():
            container = self.state.container(server)
            if server.slot != serving.slot and listed_name(container) == self._serving_name:
                self.state.discard(server)
        container = self.state.container(serving)
        if listed_name(container) == self._serving_name:
            return []
        container.rename(self._serving_name)
        return [f"release {serving.release} serves"]

    def _discard_candidates(self) -> list[str]:
        servers, notes = self._servers(), []
        serving = first_serving(servers)
        for server in servers:
            if server.role == CANDIDATE:
                self.state.discard(server)
                verified = serving is not None and server.release == serving.release
                what = f"the container that verified {server.release}" if verified else f"the server {server.release}"
                notes.append(f"{what} was left by a killed command, and is removed")
        self.state.clear_unused(self.name, self.env, self.state.containers(self.name, self.env))
        return notes

    @property
    def _serving_name(self) -> str:
        return container_name(self.state.project, self.name, self.env)

    def _servers(self) -> list[Deployment]:
        return self.state.servers(self.name, self.env)
