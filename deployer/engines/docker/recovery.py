"""What a killed command left of a promotion: gone back where nothing was accepted, finished where it was."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from deployer.engines.base import CANDIDATE, adoption_note
from deployer.engines.docker.api import docker_errors, remove_container
from deployer.engines.docker.gateway.containers import GatewayContainers
from deployer.engines.docker.gateway.directory import Active
from deployer.engines.docker.listing import RETIRING
from deployer.engines.docker.names import container_name
from deployer.engines.docker.ownership import name_of
from deployer.engines.docker.state import DockerState, named
from deployer.results.deployment import Deployment


@dataclass(frozen=True)
class Recovery:
    """Of one deployment, with its lock held. What is mended is told in sentences."""

    state: DockerState
    gateways: GatewayContainers

    @property
    def name(self) -> str:
        """The deployment's."""
        return self.gateways.name

    @property
    def env(self) -> str:
        """The deployment's."""
        return self.gateways.env

    def carry_out(self, listed: Sequence[Mapping[str, Any]]) -> tuple[str, ...]:
        """; `listed` are the deployment's containers."""
        adopted = []
        if self.state.adopt(self.name, self.env):
            adopted = [adoption_note(self.name, self.env, self.state.project)]
            listed = self.state.containers(self.name, self.env)
        return (*adopted, *self._mended(listed))

    def _mended(self, listed: Sequence[Mapping[str, Any]]) -> tuple[str, ...]:
        if self._is_well(listed):
            self.state.clear_unused(self.name, self.env, listed)
            return ()
        active = self.gateways.directory.active()
        with docker_errors(f"mending {self.name} [{self.env}]"):
            told = self._without_gateway() if active is None else self._behind_gateway(active)
        return (*told, *self._candidates())

    def _is_well(self, listed: Sequence[Mapping[str, Any]]) -> bool:
        """At a glance, for what is nearly always so: a server without a gateway, or nothing."""
        usual = [f"/{self._serving_name}"]
        return all(found["Names"] == usual for found in listed) and not self.gateways.directory.path.exists()

    def _without_gateway(self) -> list[str]:
        """A gateway that was never accepted goes; a server that gave way to what was never accepted comes back."""
        told = []
        if self.gateways.all():
            told.append("a gateway that is not in force is removed")
        self.gateways.remove()
        retiring = (found for found in self._servers() if self._container_name(found) == self._retiring_name(found))
        return [*told, *map(self._bring_back, retiring)]

    def _bring_back(self, old: Deployment) -> str:
        serving = self._serving_name
        for found in self.state.containers(self.name, self.env):
            if name_of(found) == serving:
                remove_container(self.state.client.containers.get(found["Id"]))
        container = self.state.container(old)
        container.rename(serving)
        container.start()
        return f"release {old.release} serves again: what was to replace it was not accepted yet"

    def _behind_gateway(self, active: Active) -> list[str]:
        told = []
        for found in self._servers():
            if not found.slot:
                self.state.discard(found)
                told.append(f"release {found.release}, which does not serve, is removed")
        return [*told, *self._gateway(active), *self._name_of_who_serves(active)]

    def _gateway(self, active: Active) -> list[str]:
        there = self.gateways.all()
        gateway = next((found for found in there if found.generation == active.generation), None)
        if gateway is None:  # its folder still tells who serves
            for found in there:
                self.gateways.retire(found)
            return []
        told = []
        if not self.gateways.admin(gateway).answers():
            self.gateways.revive(gateway)
            told.append("the gateway takes requests again")
        if len(there) > 1:
            told.append("a gateway that is not in force is removed")
        self.gateways.settle(gateway)
        self._send_back(gateway_slot=active.slot)
        return told

    def _send_back(self, gateway_slot: str) -> None:
        gateway = self.gateways.in_force()
        if gateway is not None:
            self.gateways.admin(gateway).send_to(gateway_slot)

    def _name_of_who_serves(self, active: Active) -> list[str]:
        serving = self._serving_name
        for found in self._servers():
            container = self.state.container(found)
            if found.slot != active.slot and named(container) == serving:
                self.state.discard(found)
        for found in self._servers():
            container = self.state.container(found)
            if found.slot == active.slot and named(container) != serving:
                container.rename(serving)
                return [f"release {found.release} serves"]
        return []

    def _candidates(self) -> list[str]:
        told = []
        for found in self._servers():
            if found.role == CANDIDATE:
                self.state.discard(found)
                told.append(f"the candidate {found.release} that a killed command left is removed")
        self.state.clear_unused(self.name, self.env, self.state.containers(self.name, self.env))
        return told

    @property
    def _serving_name(self) -> str:
        return container_name(self.state.project, self.name, self.env)

    def _servers(self) -> list[Deployment]:
        return self.state.servers(self.name, self.env)

    def _container_name(self, found: Deployment) -> str:
        return named(self.state.container(found))

    def _retiring_name(self, found: Deployment) -> str:
        return container_name(self.state.project, self.name, self.env, found.release, RETIRING)
