"""What a Docker Engine has of the deployments, and the folders of this working copy that go with it."""

from __future__ import annotations

import contextlib
from collections.abc import Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from deployer.deployment import Deployment, Memory
from deployer.engines import process, run_folder
from deployer.engines.base import CANDIDATE, SERVING
from deployer.engines.docker import listing, networks
from deployer.engines.docker.api import docker_errors, remove_container
from deployer.engines.docker.listing import GatewayContainer
from deployer.engines.docker.names import LABEL, container_name
from deployer.errors import EngineError
from deployer.gateway.home import Home

STOP_SECONDS = 10


@dataclass(frozen=True)
class World:
    """One engine, seen from one state folder."""

    client: Any
    state_dir: Path

    def home(self, name: str, env: str) -> Path:
        """The config folders of a deployment's servers."""
        return self.state_dir / "docker" / env / name

    def gateway_home(self, name: str, env: str) -> Home:
        """The folder of its gateway: the one that its containers know, else one of this state folder."""
        return self.home_of(self.containers(name, env), name, env)

    def home_of(self, containers: Iterable[Mapping[str, Any]], name: str, env: str) -> Home:
        """The same, by the containers of the deployment: two working copies must mean one folder."""
        known = (found["Labels"].get(f"{LABEL}gateway") for found in containers)
        own = (self.state_dir / "gateway" / env / name).resolve()
        return Home(Path(next(filter(None, known), own)))

    def containers(self, name: str | None = None, env: str | None = None) -> list[dict[str, Any]]:
        """As the engine lists them: every one of a deployment, running or not."""
        with docker_errors("listing containers"):
            return list(self.client.api.containers(all=True, filters=networks.labelled(name, env)))

    def servers(self, name: str | None = None, env: str | None = None) -> list[Deployment]:
        """The model servers, newest first."""
        return listing.servers(self.containers(name, env))

    def gateways(self, name: str, env: str) -> tuple[GatewayContainer, ...]:
        """The gateways of a deployment: one, but for the moment of an update."""
        return listing.gateways(self.containers(name, env))

    def memory(self, deployment: Deployment, *, here: bool) -> Memory | None:
        """What a server's container uses, what of that the kernel can take back, and its limit."""
        with docker_errors(f"measuring {deployment.release}"):
            container = self.container(deployment)
            measured = container.client.api.stats(container.id, stream=False, one_shot=True).get("memory_stats", {})
        if "usage" not in measured:
            return None
        details = measured.get("stats", {})
        cached = details.get("inactive_file", details.get("total_inactive_file", 0))
        container.reload()
        limit = container.attrs["HostConfig"].get("Memory") or None
        used = max(0, measured["usage"] - cached)
        return Memory(used, limit, process.free_bytes() if here else None, cached)

    def serving(self, name: str, env: str) -> Deployment | None:
        """The server that serves: of two, in the middle of a change, the one that runs."""
        return first_serving(self.servers(name, env))

    def known(self, name: str, env: str, release: str) -> Deployment:
        """The server of a release. Raises EngineError."""
        for found in self.servers(name, env):
            if found.release == release:
                return found
        raise EngineError(f"the container of release {release} is gone", hint="run the command again")

    def container(self, deployment: Deployment) -> Any:
        """The SDK's object of a server as the engine lists it: what only an inspection tells is there after `reload`.

        While a proven candidate is started again in place of another server, two containers are of one release: the one
        that has the serving name is asked for by role. Raises the SDK's NotFound.
        """
        import docker.errors

        wanted = {"label": [f"{LABEL}release={deployment.release}", f"{LABEL}name={deployment.name}"]}
        found = self.client.containers.list(all=True, filters=wanted, sparse=True)
        if not found:
            raise docker.errors.NotFound(f"no container of release {deployment.release}")
        serving = container_name(deployment.name, deployment.env)
        return max(found, key=lambda each: (named(each) == serving) == (deployment.role == SERVING))

    def state(self, deployment: Deployment) -> dict[str, Any]:
        """Of a server's container; nothing when it is gone."""
        import docker.errors

        with docker_errors(f"looking at {deployment.release}"):
            try:
                container = self.container(deployment)
                container.reload()
                return dict(container.attrs["State"])
            except docker.errors.NotFound:
                return {}

    def alive(self, deployment: Deployment) -> bool:
        """Whether a server runs. A container that restarts after a failure counts as gone."""
        import docker.errors

        with docker_errors(f"looking at {deployment.release}"):
            try:
                return bool(self.container(deployment).status in ("running", "created"))
            except docker.errors.NotFound:
                return False

    def take_away(self, deployment: Deployment) -> None:
        """Stop a server and remove its container."""
        self._remove(deployment, self._stopped(deployment))

    def remove_all(self, name: str, env: str, servers: Sequence[Deployment]) -> None:
        """Every server of a deployment, its config and its networks: once all have stopped, containers and networks
        go at the same time, for each takes the engine a while."""
        stopped = [(found, self._stopped(found)) for found in servers]
        with ThreadPoolExecutor(1) as pool:
            going = [pool.submit(self._remove, *each) for each in stopped]
            self.clear_unused(name, env, ())
            for each in going:
                each.result()

    def _stopped(self, deployment: Deployment) -> Any:
        """Its container; None when it is gone."""
        import docker.errors

        with docker_errors(f"stopping {deployment.release}"), contextlib.suppress(docker.errors.NotFound):
            container = self.container(deployment)
            container.stop(timeout=STOP_SECONDS)
            return container
        return None

    def _remove(self, deployment: Deployment, container: Any) -> None:
        import docker.errors

        with docker_errors(f"removing {deployment.release}"), contextlib.suppress(docker.errors.NotFound):
            if container is not None:
                remove_container(container)

    def discard(self, deployment: Deployment) -> None:
        """Stop a server and remove it, its config, and the network when it was the last."""
        self.take_away(deployment)
        self.clear_unused(deployment.name, deployment.env, self.containers(deployment.name, deployment.env))

    def sweep(self, name: str, env: str) -> Deployment | None:
        """What serves, once all other servers of that name are gone."""
        containers = self.containers(name, env)
        servers = listing.servers(containers)
        candidates = [found for found in servers if found.role == CANDIDATE]
        for found in candidates:
            self.take_away(found)
        self.clear_unused(name, env, self.containers(name, env) if candidates else containers)
        return first_serving(servers)

    def clear_unused(self, name: str, env: str, left: Sequence[Mapping[str, Any]]) -> None:
        """Config folders of containers that are gone, and networks that none of those `left` is in."""
        servers = listing.servers(left)
        used = {found.folder for found in servers}
        for folder in run_folder.releases(self.home(name, env)):
            if folder.resolve() not in used:
                run_folder.delete(folder)
        kinds = frozenset(networks.SLOTTED if found.slot else networks.PLAIN for found in servers)
        with docker_errors(f"removing the network of {name} [{env}]"):
            networks.remove(self.client, name, env, keep=kinds)
        if not left:
            self.home_of(left, name, env).delete()


def named(container: Any) -> str:
    """The name of a container as the engine lists it."""
    return str(container.attrs["Names"][0]).lstrip("/")


def first_serving(servers: Iterable[Deployment]) -> Deployment | None:
    """Of two that serve, in the middle of a change, the one that runs."""
    serving = [found for found in servers if found.role == SERVING]
    return next((server for server in serving if server.running), serving[0] if serving else None)
