"""Recovery of a promotion that was killed: undone before its acceptance, completed after it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from deployer.engines.base import CANDIDATE, SERVING, adoption_note
from deployer.engines.docker.api import docker_errors, remove_container
from deployer.engines.docker.gateway.containers import GatewayContainers
from deployer.engines.docker.gateway.directory import Active
from deployer.engines.docker.inspection import ContainerSummary
from deployer.engines.docker.listing import RETIRING
from deployer.engines.docker.names import LABEL, container_name
from deployer.engines.docker.state import DockerState, first_serving, listed_name
from deployer.results.deployment import Deployment


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
        active = self._active()
        with docker_errors(f"mending {self.name} [{self.env}]"):
            notes = self._repair_without_gateway() if active is None else self._repair_behind_gateway(active)
        return (*notes, *self._discard_candidates())

    def _active(self) -> Active | None:
        """Return the active gateway and slot: by the gateway's directory, or by the names of the containers.

        The directory may have been deleted, or a removal killed.
        """
        if active := self.gateways.directory.active():
            return active
        serving = next((server for server in self._servers() if server.slot and server.role == SERVING), None)
        gateway = self.gateways.active()
        return Active(gateway.generation if gateway else "", serving.slot) if serving else None

    def _is_clean(self, listed: Sequence[ContainerSummary]) -> bool:
        """Return whether there is nothing to recover: one server without a gateway, or none. This is the usual case."""
        expected = (self._serving_name,)
        return all(container.names == expected for container in listed) and not self.gateways.directory.in_use

    def _repair_without_gateway(self) -> list[str]:
        """Remove gateways that were never accepted; restart a server that was stopped for a successor."""
        notes = []
        if self.gateways.all():
            notes.append("a gateway that is not in force is removed")
        self.gateways.remove()
        retiring = (server for server in self._servers() if self._container_name(server) == self._retiring_name(server))
        return [*notes, *map(self._restore, retiring)]

    def _restore(self, old: Deployment) -> str:
        serving = self._serving_name
        for container in self.state.containers(self.name, self.env):
            if container.name == serving:
                remove_container(self.state.client.containers.get(container.id))
        restored = self.state.container(old)
        restored.rename(serving)
        restored.start()
        return f"release {old.release} serves again: what was to replace it was not accepted yet"

    def _repair_behind_gateway(self, active: Active) -> list[str]:
        if not any(server.slot for server in self._servers()):
            return self._remove_gateway()
        notes = []
        for server in self._servers():
            if not server.slot:
                self.state.discard(server)
                notes.append(f"release {server.release}, which does not serve, is removed")
        return [*notes, *self._repair_gateway(active), *self._rename_serving(active)]

    def _remove_gateway(self) -> list[str]:
        """Remove a gateway that has no server, and holds the ports; clients trust its certificate."""
        left = self.gateways.all()
        self.gateways.directory.keep_certificate()
        self.gateways.remove()
        return [f"the gateway of {self.name} [{self.env}] was left without a server, and is removed"] if left else []

    def _repair_gateway(self, active: Active) -> list[str]:
        gateways = self.gateways.all()
        gateway = next((container for container in gateways if container.generation == active.generation), None)
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

    def _rename_serving(self, active: Active) -> list[str]:
        serving = self._serving_name
        for server in self._servers():
            container = self.state.container(server)
            if server.slot != active.slot and listed_name(container) == serving:
                self.state.discard(server)
        for server in self._servers():
            container = self.state.container(server)
            if server.slot == active.slot and listed_name(container) != serving:
                container.rename(serving)
                return [f"release {server.release} serves"]
        return []

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

    def _container_name(self, server: Deployment) -> str:
        return listed_name(self.state.container(server))

    def _retiring_name(self, server: Deployment) -> str:
        return container_name(self.state.project, self.name, self.env, server.release, RETIRING)
