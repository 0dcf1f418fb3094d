"""Promotion of a verified candidate to the deployment's address; until `accept` returns, it can be undone.

A killed command leaves marks of its progress: the name of a container that was stopped for its successor, and the links
in the gateway's directory (see gateway.directory). `recovery` reads them.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from docker.models.containers import Container

from deployer.engines.docker import listing, networks, sdk_arguments
from deployer.engines.docker.api import remove_container
from deployer.engines.docker.gateway.config import Listen
from deployer.engines.docker.gateway.containers import GatewayContainers
from deployer.engines.docker.gateway.directory import other_slot
from deployer.engines.docker.images import find_image
from deployer.engines.docker.listing import RETIRING, GatewayContainer
from deployer.engines.docker.names import LABEL, container_name
from deployer.engines.docker.state import STOP_SECONDS, DockerState, listed_name
from deployer.errors import EngineError
from deployer.results.deployment import Deployment

Accept = Callable[[Deployment], None]


@dataclass(frozen=True)
class Promotion:
    """The promotion of one candidate; `old` is the server that serves now, if there is one."""

    state: DockerState
    gateways: GatewayContainers
    candidate: Deployment
    old: Deployment | None
    accept: Accept
    restart: str

    @property
    def serving_name(self) -> str:
        """The name of the serving container."""
        return self._name(self.candidate)

    def _name(self, deployment: Deployment, *suffix: str) -> str:
        return container_name(self.state.project, deployment.name, deployment.env, *suffix)

    def run(self) -> None:
        """Promote the candidate. If `accept` raises, the old server serves again and the error is raised."""
        if self.old is not None and self.old.slot:
            self._replace_lost_gateway(self.old)
        if self.candidate.slot:
            self._promote_behind_gateway()
        elif self.old is None:
            self._promote_first()
        else:
            self._replace(self.old)

    def _promote_first(self) -> None:
        # The candidate has used its final ports since it was staged.
        self.accept(self.candidate)
        self._enable_restart().rename(self.serving_name)

    def _enable_restart(self) -> Container:
        """Enable the restart of the candidate's container, and return it."""
        container = self.state.container(self.candidate)
        container.update(restart_policy={"Name": self.restart})
        return container

    def _promote_behind_gateway(self) -> None:
        self._enable_restart()
        listen, predecessor = self._listen(), self.gateways.active()
        predecessor = predecessor if predecessor and predecessor.running else None
        with self._release_ports():
            if predecessor is not None and self.gateways.matches(predecessor, listen):
                self._switch_slot(predecessor)
            else:
                predecessor = self._new_gateway(predecessor, listen)
        finalize(self.state, self.candidate)
        self.gateways.finalize(predecessor)

    def replace_gateway(self) -> None:
        """Put the configured gateway in front of a server that keeps serving: it is candidate and old server in one."""
        self._replace_lost_gateway(self.candidate)
        listen, predecessor = self._listen(), self.gateways.active()
        predecessor = predecessor if predecessor and predecessor.running else None
        if predecessor is not None and self.gateways.matches(predecessor, listen):
            self.accept(self._behind(predecessor))
        else:
            predecessor = self._new_gateway(predecessor, listen)
        self.gateways.finalize(predecessor)

    def _replace_lost_gateway(self, serving: Deployment) -> None:
        """Replace a gateway that cannot be changed, because its directory is gone, by one that can.

        Both share the ports for a moment, and route to the same server.
        """
        lost = self.gateways.active()
        if lost is None or not lost.running or not lost.lost:
            return
        listen = Listen(lost.host, lost.rest_port, lost.grpc_port, self._slots())
        new = self.gateways.start(listen, serving.slot, lost)
        self.gateways.directory.activate(new.generation)
        self.gateways.stop_accepting(lost)

    def _listen(self) -> Listen:
        host = self.state.container(self.candidate).attrs["Labels"][f"{LABEL}host"]
        return Listen(host, self.candidate.rest_port, self.candidate.grpc_port, self._slots())

    def _slots(self) -> tuple[str, str]:
        network = self.state.networks(self.candidate.name, self.candidate.env).find(networks.SLOTTED)
        return networks.slot_addresses(network)

    def _switch_slot(self, gateway: GatewayContainer) -> None:
        """Route new requests to the candidate's slot and drain the other one."""
        admin, slot = self.gateways.admin(gateway), self.candidate.slot
        seconds = self.gateways.config.settings.drain_seconds
        try:
            admin.route_to(slot)
            self.accept(self._behind(gateway))
            self.gateways.directory.set_slot(gateway.generation, slot)
        except BaseException:
            admin.route_to(other_slot(slot))
            admin.drain(slot, seconds)
            raise
        admin.drain(other_slot(slot), seconds)

    def _new_gateway(self, predecessor: GatewayContainer | None, listen: Listen) -> GatewayContainer:
        """Start a gateway that routes to the candidate and takes the ports over from its predecessor, if any."""
        new = self.gateways.start(listen, self.candidate.slot, predecessor)
        try:
            if predecessor is not None:
                self.gateways.stop_accepting(predecessor)
            self.accept(self._behind(new))
            self.gateways.directory.activate(new.generation)
        except BaseException:
            if predecessor is not None:
                self.gateways.revive(predecessor)
            self.gateways.discard(new.generation)
            raise
        self.gateways.retire_others(keep=new)
        return new

    def _behind(self, gateway: GatewayContainer) -> Deployment:
        return listing.behind_gateway(self.candidate, gateway)

    @contextmanager
    def _release_ports(self) -> Iterator[None]:
        """Stop an old server that publishes the ports itself: they are closed until a gateway has them."""
        if self.old is None or self.old.slot:
            yield
            return
        with self._retiring(self.old):
            yield

    @contextmanager
    def _retiring(self, old: Deployment) -> Iterator[None]:
        """Stop the old server, and start it again if the block raises."""
        container = self.state.container(old)
        container.rename(self._name(old, old.release, RETIRING))
        try:
            container.stop(timeout=STOP_SECONDS)
            yield
        except BaseException:
            container.rename(self.serving_name)
            container.start()
            raise

    def _replace(self, old: Deployment) -> None:
        """Start the verified server again on the old one's ports; start the old one again if that fails."""
        handover = self._suspend_gateway(old) if old.slot else self._retiring(old)
        verified = self.state.container(self.candidate)
        verified.reload()
        with handover:
            self._recreate(verified)
            if old.slot:
                self.gateways.directory.deactivate()
            else:
                self.state.container(old).rename(self._name(old, old.release))
        if old.slot:
            self.gateways.remove()  # the old server answers the requests that the gateway still has
        remove_container(verified)
        self.state.discard(old)

    @contextmanager
    def _suspend_gateway(self, old: Deployment) -> Iterator[None]:
        """Have the gateway release the ports and end its requests; have it take them again if the block raises."""
        gateway, server = self.gateways.active(), self.state.container(old)
        server.rename(self._name(old, old.release))
        try:
            if gateway is not None:
                self.gateways.stop_accepting(gateway)
            yield
        except BaseException:
            server.rename(self.serving_name)
            if gateway is not None and not gateway.lost:
                self.gateways.revive(gateway)
            raise

    def _recreate(self, verified: Container) -> None:
        config, host = sdk_arguments.recreation_config(verified.attrs, self.restart)
        config["Image"] = self._image(verified)
        endpoints: dict[str, dict[str, object]] = {
            "EndpointsConfig": {name: {} for name in verified.attrs["NetworkSettings"]["Networks"]}
        }
        api = self.state.client.api
        created = api.create_container_from_config(
            {**config, "HostConfig": host, "NetworkingConfig": endpoints}, self.serving_name
        )
        try:
            api.start(created["Id"])
            self.accept(self._recreated_deployment(created["Id"]))
        except BaseException:
            api.remove_container(created["Id"], force=True)
            raise

    def _image(self, verified: Container) -> str:
        """Return the image's name, or its id if the name means another image since the verification."""
        name, image_id = str(verified.attrs["Config"]["Image"]), str(verified.attrs["Image"])
        image = find_image(self.state.client, name)
        return name if image is not None and image.id == image_id else image_id

    def _recreated_deployment(self, container: str) -> Deployment:
        listed = self.state.containers(self.candidate.name, self.candidate.env)
        servers = listing.servers(each for each in listed if each.id == container)
        if not servers:
            raise EngineError(f"the container of {self.candidate.name} is gone", hint="run the command again")
        return servers[0]


def finalize(state: DockerState, serving: Deployment) -> None:
    """Discard every other server of the deployment, and give this one the usual name."""
    for server in state.servers(serving.name, serving.env):
        if server.release != serving.release:
            state.discard(server)
    container = state.container(serving)
    if listed_name(container) != (name := container_name(state.project, serving.name, serving.env)):
        container.rename(name)
