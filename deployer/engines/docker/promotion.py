"""How a proven candidate takes the address, and what served before gives way; each way can be gone back until `accept`.

Killed in between, a command leaves marks that tell how far it was: the name of a container that was told to give way,
and the links in the gateway's folder (see gateway.directory). `recovering` reads them.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from deployer.engines.docker import listing, networks
from deployer.engines.docker.api import remove_container
from deployer.engines.docker.gateway.config import Listen
from deployer.engines.docker.gateway.containers import GatewayContainers
from deployer.engines.docker.gateway.directory import other
from deployer.engines.docker.images import find_image
from deployer.engines.docker.listing import RETIRING, GatewayContainer
from deployer.engines.docker.names import LABEL, container_name
from deployer.engines.docker.state import STOP_SECONDS, DockerState, named
from deployer.errors import EngineError
from deployer.results.deployment import Deployment

Accept = Callable[[Deployment], None]


@dataclass(frozen=True)
class Promotion:
    """One candidate on its way; `old` is what runs and serves now, if anything does."""

    state: DockerState
    gateways: GatewayContainers
    candidate: Deployment
    old: Deployment | None
    accept: Accept
    restart: str

    @property
    def serving_name(self) -> str:
        """The container's name of who serves."""
        return self._name(self.candidate)

    def _name(self, found: Deployment, *more: str) -> str:
        return container_name(self.state.project, found.name, found.env, *more)

    def carry_out(self) -> None:
        """Raises what `accept` raises; then the old server serves."""
        if self.candidate.slot:
            self._behind_a_gateway()
        elif self.old is None:
            self._first()
        else:
            self._in_place_of(self.old)

    def _first(self) -> None:
        """It is on its final ports since it was staged."""
        self.accept(self.candidate)
        self._kept_running().rename(self.serving_name)

    def _kept_running(self) -> Any:
        """Its container, which is to come back from now on."""
        container = self.state.container(self.candidate)
        container.update(restart_policy={"Name": self.restart})
        return container

    def _behind_a_gateway(self) -> None:
        self._kept_running()
        place, before = self._place(), self.gateways.in_force()
        before = before if before and before.running else None
        with self._ports_given_up():
            if before is not None and self.gateways.fits(before, place):
                self._switch(before)
            else:
                before = self._new_gateway(before, place)
        settle(self.state, self.candidate)
        self.gateways.settle(before)

    def renew_gateway(self) -> None:
        """Put what is wanted in front of a server that goes on serving: here it is candidate and old server in one."""
        place, before = self._place(), self.gateways.in_force()
        new = self._new_gateway(before if before and before.running else None, place)
        self.gateways.settle(new)

    def _place(self) -> Listen:
        labels = self.state.container(self.candidate).attrs["Labels"]
        slotted = self.state.networks(self.candidate.name, self.candidate.env).find(networks.SLOTTED)
        host = labels[f"{LABEL}host"]
        return Listen(host, self.candidate.rest_port, self.candidate.grpc_port, networks.slots(slotted))

    def _switch(self, gateway: GatewayContainer) -> None:
        """New requests go to the candidate from one moment to the next; those at the old server end there."""
        admin, slot = self.gateways.admin(gateway), self.candidate.slot
        seconds = self.gateways.config.settings.drain_seconds
        try:
            admin.send_to(slot)
            self.accept(self._reached_through(gateway))
            self.gateways.directory.set_slot(gateway.generation, slot)
        except BaseException:
            admin.send_to(other(slot))
            admin.drained(slot, seconds)
            raise
        admin.drained(other(slot), seconds)

    def _new_gateway(self, before: GatewayContainer | None, place: Listen) -> GatewayContainer:
        """A gateway that sends to the candidate takes the ports, from the one before or from nobody."""
        new = self.gateways.start(place, self.candidate.slot, before)
        try:
            if before is not None:
                self.gateways.stop_taking(before)
            self.accept(self._reached_through(new))
            self.gateways.directory.activate(new.generation)
        except BaseException:
            if before is not None:
                self.gateways.revive(before)
            self.gateways.discard(new.generation)
            raise
        self.gateways.retire_others(keep=new)
        return new

    def _reached_through(self, gateway: GatewayContainer) -> Deployment:
        through = listing.gateway_of(gateway.directory, gateway.generation, gateway.digest, running=True)
        return listing.behind(self.candidate, gateway.host, through)

    @contextmanager
    def _ports_given_up(self) -> Iterator[None]:
        """By an old server that publishes them itself: until a gateway has them, they are closed."""
        if self.old is None or self.old.slot:
            yield
            return
        with self._retiring(self.old):
            yield

    @contextmanager
    def _retiring(self, old: Deployment) -> Iterator[None]:
        """The old server stops, and starts again when what follows fails."""
        before = self.state.container(old)
        before.rename(self._name(old, old.release, RETIRING))
        try:
            before.stop(timeout=STOP_SECONDS)
            yield
        except BaseException:
            before.rename(self.serving_name)
            before.start()
            raise

    def _in_place_of(self, old: Deployment) -> None:
        """Start the proven server again on the ports of the old one; when that fails, the old one is started again."""
        way = self._gateway_put_aside(old) if old.slot else self._retiring(old)
        proven = self.state.container(self.candidate)
        proven.reload()
        with way:
            self._started_again(proven)
            if old.slot:
                self.gateways.directory.deactivate()
            else:
                self.state.container(old).rename(self._name(old, old.release))
        if old.slot:
            self.gateways.remove()  # what it has not answered yet, the old server answers
        remove_container(proven)
        self.state.discard(old)

    @contextmanager
    def _gateway_put_aside(self, old: Deployment) -> Iterator[None]:
        """The gateway lets go of the ports and ends what it has; it takes them again when what follows fails."""
        gateway, server = self.gateways.in_force(), self.state.container(old)
        server.rename(self._name(old, old.release))
        try:
            if gateway is not None:
                self.gateways.stop_taking(gateway)
            yield
        except BaseException:
            server.rename(self.serving_name)
            if gateway is not None:
                self.gateways.revive(gateway)
            raise

    def _started_again(self, proven: Any) -> None:
        from deployer.engines.docker import containers

        config, host = containers.moved(proven.attrs, self.restart)
        config["Image"] = self._image(proven)
        endpoints: dict[str, Any] = {
            "EndpointsConfig": {name: {} for name in proven.attrs["NetworkSettings"]["Networks"]}
        }
        api = self.state.client.api
        created = api.create_container_from_config(
            {**config, "HostConfig": host, "NetworkingConfig": endpoints}, self.serving_name
        )
        try:
            api.start(created["Id"])
            self.accept(self._moved(created["Id"]))
        except BaseException:
            api.remove_container(created["Id"], force=True)
            raise

    def _image(self, proven: Any) -> str:
        """What its image is called; the image's id, when that name has come to mean another since it was proven."""
        name, image = str(proven.attrs["Config"]["Image"]), str(proven.attrs["Image"])
        found = find_image(self.state.client, name)
        return name if found is not None and found.id == image else image

    def _moved(self, container: str) -> Deployment:
        listed = self.state.containers(self.candidate.name, self.candidate.env)
        found = listing.servers(each for each in listed if each["Id"] == container)
        if not found:
            raise EngineError(f"the container of {self.candidate.name} is gone", hint="run the command again")
        return found[0]


def settle(state: DockerState, serving: Deployment) -> None:
    """Nothing but this server is left of the deployment's, under its usual name."""
    for found in state.servers(serving.name, serving.env):
        if found.release != serving.release:
            state.discard(found)
    container = state.container(serving)
    if named(container) != (name := container_name(state.project, serving.name, serving.env)):
        container.rename(name)
