"""What a Docker Engine has of the deployments, and the folders of this working copy that go with it."""

from __future__ import annotations

import contextlib
import re
from collections.abc import Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from deployer.engines import process, run_dir
from deployer.engines.base import CANDIDATE, SERVING
from deployer.engines.docker import listing, networks
from deployer.engines.docker.api import docker_errors, remove_container
from deployer.engines.docker.gateway.directory import GatewayDir
from deployer.engines.docker.listing import GatewayContainer
from deployer.engines.docker.names import LABEL, PROJECT, container_name
from deployer.engines.docker.networks import Networks
from deployer.engines.docker.ownership import Ownership, doubt, is_started_by_us, name_of, named_for
from deployer.errors import EngineError
from deployer.results.deployment import Deployment, Memory

STOP_SECONDS = 10


@dataclass(frozen=True)
class DockerState:
    """One engine, as a project sees it from one state folder."""

    client: Any
    state_dir: Path
    project: str

    @cached_property
    def owner(self) -> Ownership:
        """Tells what is the project's."""
        return Ownership(self.project, self.state_dir)

    def deployment_dir(self, name: str, env: str) -> Path:
        """The config folders of a deployment's servers."""
        return self.state_dir / "docker" / run_dir.env_dir_name(self.project, env) / name

    def gateway_dir(self, name: str, env: str) -> GatewayDir:
        """The folder of its gateway: the one that its containers know, else one of this state folder."""
        return self.gateway_dir_of(self.containers(name, env), name, env)

    def gateway_dir_of(self, containers: Iterable[Mapping[str, Any]], name: str, env: str) -> GatewayDir:
        """The same, by the containers of the deployment: two working copies must mean one folder."""
        known = (found["Labels"].get(f"{LABEL}gateway") for found in containers)
        own = (self.state_dir / "gateway" / run_dir.env_dir_name(self.project, env) / name).resolve()
        return GatewayDir(Path(next(filter(None, known), own)))

    def containers(self, name: str | None = None, env: str | None = None) -> list[dict[str, Any]]:
        """As the engine lists them: every one of a deployment of this project, running or not."""
        return [self._ours(found) for found in self.listed(name, env) if self.owns(found)]

    def owns(self, found: Mapping[str, Any]) -> bool:
        """Whether a container is this project's, with labels that can be read."""
        return self.owner.owns(found) and listing.fault(found) is None

    def listed(self, name: str | None = None, env: str | None = None) -> list[dict[str, Any]]:
        """Every container with our labels, of any project."""
        with docker_errors("listing containers"):
            found = list(self.client.api.containers(all=True, filters=networks.labelled(name, env)))
        if name is None:
            self._latest[:] = found
        return found

    @cached_property
    def _latest(self) -> list[dict[str, Any]]:
        """What the engine listed last of all deployments."""
        return []

    def _ours(self, found: dict[str, Any]) -> dict[str, Any]:
        """One from before there were projects gets the project as if it had the label."""
        if PROJECT in found["Labels"] or not self.project:
            return found
        there = (found.get("NetworkSettings") or {}).get("Networks") or {}
        self._adopted_networks.update(each["NetworkID"] for each in there.values() if each.get("NetworkID"))
        return {**found, "Labels": {**found["Labels"], PROJECT: self.project}}

    @cached_property
    def _adopted_networks(self) -> set[str]:
        return set()

    def networks(self, name: str, env: str) -> Networks:
        """Those of a deployment."""
        return Networks(self.client, self.owner, name, env, self._adopted_networks)

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
        listed = self.client.containers.list(all=True, filters=wanted, sparse=True)
        found = [each for each in listed if self.owns(each.attrs)]
        if not found:
            raise docker.errors.NotFound(f"no container of release {deployment.release}")
        serving = {container_name(project, deployment.name, deployment.env) for project in (self.project, "")}
        return max(found, key=lambda each: (named(each) in serving) == (deployment.role == SERVING))

    def inspect_state(self, deployment: Deployment) -> dict[str, Any]:
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

    def stop_and_remove(self, deployment: Deployment) -> None:
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
        self.stop_and_remove(deployment)
        self.clear_unused(deployment.name, deployment.env, self.containers(deployment.name, deployment.env))

    def sweep(self, name: str, env: str) -> Deployment | None:
        """What serves, once all other servers of that name are gone."""
        containers = self.containers(name, env)
        servers = listing.servers(containers)
        candidates = [found for found in servers if found.role == CANDIDATE]
        for found in candidates:
            self.stop_and_remove(found)
        self.clear_unused(name, env, self.containers(name, env) if candidates else containers)
        return first_serving(servers)

    def clear_unused(self, name: str, env: str, left: Sequence[Mapping[str, Any]]) -> None:
        """Config folders of containers that are gone, and networks that none of those `left` is in."""
        servers = listing.servers(left)
        self._clear_folders(name, env, {found.folder for found in servers})
        kinds = frozenset(networks.SLOTTED if found.slot else networks.PLAIN for found in servers)
        with docker_errors(f"removing the network of {name} [{env}]"):
            self.networks(name, env).remove(keep=kinds)
        if not left:
            self.gateway_dir_of(left, name, env).delete()

    def _clear_folders(self, name: str, env: str, used: set[Path]) -> None:
        old = self.state_dir / "docker" / run_dir.env_dir_name("", env) / name
        if old.is_dir():  # other projects may have adopted what was made from this folder
            used = used | {Path(each["Labels"].get(f"{LABEL}folder", "")) for each in self.listed(name, env)}
        for home in (self.deployment_dir(name, env), old):
            for folder in run_dir.release_dirs(home):
                if folder.resolve() not in used:
                    run_dir.delete(folder)
        if old.is_dir():
            run_dir.remove_empty_dirs(old)

    def adopt(self, name: str, env: str) -> bool:
        """Give the containers of a deployment from before there were projects the names of this one's; whether there
        were any. Labels cannot be changed: a name can, and tells other projects whose it is."""
        before, now = container_name("", name, env), container_name(self.project, name, env)
        old = [found for found in self.containers(name, env) if name_of(found).startswith(before)]
        if before == now or not old:
            return False
        for found in old:
            with docker_errors(f"renaming {name_of(found)}"):
                self.client.api.rename(found["Id"], now + name_of(found).removeprefix(before))
        return True

    def conflicts(self, name: str | None = None, env: str | None = None) -> tuple[str, ...]:
        """What says that it is this project's and cannot be believed, as the engine listed it last; with a name also
        what stands in its way."""
        listed = self.listed(name, env) if name else self._latest or self.listed()
        there = {found["Id"]: found for found in listed}
        base = container_name(self.project, name, env or "") if name else ""
        if name:
            with docker_errors("listing containers"):
                named_so = self.client.api.containers(all=True, filters={"name": f"^/{re.escape(base)}$"})
            there |= {found["Id"]: found for found in named_so}
        told = (self._stranger(found, base) for found in there.values())
        return tuple(sorted(filter(None, told)))

    def _stranger(self, found: Mapping[str, Any], base: str) -> str | None:
        """Why a container is in the way of a deployment and none of it, or None."""
        if self.owns(found):
            return None
        what = f"the container {name_of(found)}"
        if self.owner.claimed(found):
            reason = doubt(found, self.project) or listing.fault(found)
            return f"{what} says that it is of project {self.project or '-'}, but {reason}"
        said = (found["Labels"] or {}).get(PROJECT)
        if base and name_of(found) == base:
            started = is_started_by_us(found) and said is not None
            return f"{what} has this deployment's name and " + (
                f"belongs to project {said}" if started else "is not deployer's"
            )
        if base and said is None and is_started_by_us(found) and named_for(found) == "":
            folder = found["Labels"].get(f"{LABEL}folder") or found["Labels"].get(f"{LABEL}gateway")
            return f"{what} is of this name and of no project, and was deployed from another folder: {folder}"
        return None


def named(container: Any) -> str:
    """The name of a container as the engine lists it."""
    return str(container.attrs["Names"][0]).lstrip("/")


def first_serving(servers: Iterable[Deployment]) -> Deployment | None:
    """Of two that serve, in the middle of a change, the one that runs."""
    serving = [found for found in servers if found.role == SERVING]
    return next((server for server in serving if server.running), serving[0] if serving else None)
