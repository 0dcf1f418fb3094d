"""The containers and networks of a project on a Docker Engine, with the directories of this working copy."""

from __future__ import annotations

import contextlib
import re
from collections.abc import Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor, wait
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path

import docker.errors
from docker import DockerClient
from docker.models.containers import Container

from deployer.engines import process, run_dir
from deployer.engines.base import CANDIDATE, SERVING
from deployer.engines.docker import listing, networks
from deployer.engines.docker.accepted import first_serving, last_accepted
from deployer.engines.docker.api import docker_errors, remove_container
from deployer.engines.docker.gateway.directory import GatewayDir
from deployer.engines.docker.inspection import PAUSED, ContainerState, ContainerSummary
from deployer.engines.docker.listing import GatewayContainer
from deployer.engines.docker.machine import LocalMachine, Machine
from deployer.engines.docker.names import LABEL, PROJECT, container_name
from deployer.engines.docker.networks import Networks
from deployer.engines.docker.ownership import Ownership, is_started_by_us, label_conflict, project_from_name
from deployer.errors import EngineError
from deployer.results.deployment import Deployment, Memory

STOP_SECONDS = 10


@dataclass(frozen=True)
class DockerState:
    """One engine, as a project sees it from one state directory."""

    client: DockerClient
    state_dir: Path
    project: str
    machine: Machine = field(default_factory=LocalMachine)

    @cached_property
    def owner(self) -> Ownership:
        """The rules that tell which objects are the project's."""
        return Ownership(self.project, self.state_dir)

    def deployment_dir(self, name: str, env: str) -> Path:
        """Return the directory with the configurations of a deployment's servers."""
        return self.state_dir / "docker" / run_dir.env_dir_name(self.project, env) / name

    def gateway_dir(self, name: str, env: str) -> GatewayDir:
        """Return the directory of a deployment's gateway."""
        return self.gateway_dir_of(self.containers(name, env), name, env)

    def gateway_dir_of(self, containers: Iterable[ContainerSummary], name: str, env: str) -> GatewayDir:
        """Return the gateway's directory that the containers name, else the default one."""
        # Two working copies must use one directory.
        recorded = (container.labels.get(f"{LABEL}gateway") for container in containers)
        own = (self.state_dir / "gateway" / run_dir.env_dir_name(self.project, env) / name).resolve()
        return GatewayDir(Path(next(filter(None, recorded), own)))

    def containers(self, name: str | None = None, env: str | None = None) -> list[ContainerSummary]:
        """Return the containers of the project, or of one deployment, as the engine lists them, running or not."""
        return [self._with_project(container) for container in self.listed(name, env) if self.owns(container)]

    def owns(self, container: ContainerSummary) -> bool:
        """Return whether a container is this project's and has readable labels."""
        return self.owner.owns(container) and listing.label_problem(container) is None

    def listed(self, name: str | None = None, env: str | None = None) -> list[ContainerSummary]:
        """Return the containers with this tool's labels, of any project."""
        with docker_errors("listing containers"):
            answers = self.client.api.containers(all=True, filters=networks.label_filter(name, env))
        containers = [ContainerSummary.parse(answer) for answer in answers]
        if name is None:
            self._last_listing[:] = containers
        return containers

    @cached_property
    def _last_listing(self) -> list[ContainerSummary]:
        """The last list of all deployments' containers."""
        return []

    def _with_project(self, container: ContainerSummary) -> ContainerSummary:
        """Return a container from before there were projects with the label of this project."""
        if PROJECT in container.labels or not self.project:
            return container
        self._adopted_networks.update(container.network_ids)
        return replace(container, labels={**container.labels, PROJECT: self.project})

    @cached_property
    def _adopted_networks(self) -> set[str]:
        return set()

    def networks(self, name: str, env: str) -> Networks:
        """Return the networks of a deployment."""
        return Networks(self.client, self.owner, name, env, self._adopted_networks)

    def servers(self, name: str | None = None, env: str | None = None) -> list[Deployment]:
        """Return the model servers, newest first."""
        return list(map(self.machine.reachable, listing.servers(self.containers(name, env))))

    def gateways(self, name: str, env: str) -> tuple[GatewayContainer, ...]:
        """Return the gateways of a deployment: one, or two during a replacement."""
        return listing.gateways(self.containers(name, env))

    def memory(self, deployment: Deployment, *, local: bool) -> Memory | None:
        """Return the memory of a server's container, its reclaimable part and its limit; None if unknown."""
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
        return Memory(used, limit, process.free_bytes() if local else None, cached)

    def serving(self, name: str, env: str) -> Deployment | None:
        """Return the serving server of a deployment."""
        return first_serving(self.servers(name, env))

    def foreseen(self, name: str, env: str) -> Deployment | None:
        """Return the serving server once recovery has run."""
        containers = self.containers(name, env)
        recovered = last_accepted(containers, self.gateway_dir_of(containers, name, env)).recovered
        return recovered and self.machine.reachable(recovered)

    def require_server(self, name: str, env: str, release: str) -> Deployment:
        """Return the server of a release. Raise EngineError."""
        for server in self.servers(name, env):
            if server.release == release:
                return server
        raise EngineError(f"the container of release {release} is gone", hint="run the command again")

    def container(self, deployment: Deployment) -> Container:
        """Return the SDK's container of a server from the engine's list; `reload` adds the inspected attributes.

        While a verified candidate is started again in place of the old server, two containers have its release: the
        role tells which is meant. Raises the SDK's NotFound.
        """
        filters = {"label": [f"{LABEL}release={deployment.release}", f"{LABEL}name={deployment.name}"]}
        listed = self.client.containers.list(all=True, filters=filters, sparse=True)
        owned = [container for container in listed if self.owns(ContainerSummary.parse(container.attrs))]
        if not owned:
            raise docker.errors.NotFound(f"no container of release {deployment.release}")
        serving = {container_name(project, deployment.name, deployment.env) for project in (self.project, "")}
        return max(owned, key=lambda container: (listed_name(container) in serving) == (deployment.role == SERVING))

    def inspect_state(self, deployment: Deployment) -> ContainerState | None:
        """Return the inspected state of a server's container; None if it is gone."""
        with docker_errors(f"looking at {deployment.release}"):
            try:
                container = self.container(deployment)
                container.reload()
                return ContainerState.parse(container.attrs["State"])
            except docker.errors.NotFound:
                return None

    def changed_variables(self, deployment: Deployment, desired: Mapping[str, str]) -> tuple[str, ...]:
        """Return the names of the variables of a server's container that have another value than the desired one."""
        names = sorted(desired.keys() & set(deployment.environment or ()))
        with docker_errors(f"looking at {deployment.release}"):
            try:
                container = self.container(deployment)
                container.reload()
            except docker.errors.NotFound:
                return ()
        current = dict(entry.partition("=")[::2] for entry in container.attrs["Config"]["Env"] or ())
        return tuple(name for name in names if current.get(name) != desired[name])

    def is_running(self, deployment: Deployment) -> bool:
        """Return whether a server runs. A container that restarts after a failure counts as ended."""
        with docker_errors(f"looking at {deployment.release}"):
            try:
                return bool(self.container(deployment).status in ("running", "created", PAUSED))
            except docker.errors.NotFound:
                return False

    def stop_and_remove(self, deployment: Deployment) -> None:
        """Stop a server and remove its container."""
        self._remove(deployment, self._stop(deployment))

    def remove_all(self, name: str, env: str, servers: Sequence[Deployment]) -> None:
        """Remove every server of a deployment, its configuration and its networks."""
        # Containers and networks are removed at the same time: each takes the engine a while.
        stopped = [(server, self._stop(server)) for server in servers]
        with ThreadPoolExecutor(1) as pool:
            removals = [pool.submit(self._remove, *removal) for removal in stopped]
            if self.machine.is_remote:  # helpers that were started during a removal have ended at once
                wait(removals)
            self.clear_unused(name, env, ())
            for removal in removals:
                removal.result()
        self.machine.clear()

    def _stop(self, deployment: Deployment) -> Container | None:
        """Return the stopped container; None if it is gone."""
        with docker_errors(f"stopping {deployment.release}"), contextlib.suppress(docker.errors.NotFound):
            container = self.container(deployment)
            container.stop(timeout=STOP_SECONDS)
            return container
        return None

    def _remove(self, deployment: Deployment, container: Container | None) -> None:
        with docker_errors(f"removing {deployment.release}"), contextlib.suppress(docker.errors.NotFound):
            if container is not None:
                remove_container(container)

    def discard(self, deployment: Deployment) -> None:
        """Stop a server; remove its container, its configuration, and the network after the last one."""
        self.stop_and_remove(deployment)
        self.clear_unused(deployment.name, deployment.env, self.containers(deployment.name, deployment.env))

    def sweep(self, name: str, env: str) -> Deployment | None:
        """Discard the candidates of a deployment, and return its serving server."""
        containers = self.containers(name, env)
        servers = listing.servers(containers)
        candidates = [candidate for candidate in servers if candidate.role == CANDIDATE]
        for candidate in candidates:
            self.stop_and_remove(candidate)
        self.clear_unused(name, env, self.containers(name, env) if candidates else containers)
        return first_serving(servers)

    def clear_unused(self, name: str, env: str, remaining: Sequence[ContainerSummary]) -> None:
        """Remove the configurations and networks that the remaining containers do not use."""
        servers = listing.servers(remaining)
        self._delete_unused_dirs(name, env, {server.directory for server in servers})
        kinds = frozenset(networks.SLOTTED if server.slot else networks.PLAIN for server in servers)
        with docker_errors(f"removing the network of {name} [{env}]"):
            self.networks(name, env).remove(keep=kinds)
        if not remaining:
            self.machine.gateway_dir(self.gateway_dir_of(remaining, name, env), name, env).clear()

    def _delete_unused_dirs(self, name: str, env: str, used: set[Path]) -> None:
        unowned_dir = self.state_dir / "docker" / run_dir.env_dir_name("", env) / name
        if unowned_dir.is_dir():  # other projects may have adopted containers of this directory
            used = used | {Path(container.labels.get(f"{LABEL}folder", "")) for container in self.listed(name, env)}
        for deployment_dir in (self.deployment_dir(name, env), unowned_dir):
            for directory in run_dir.release_dirs(deployment_dir):
                if directory.resolve() not in used:
                    self.machine.delete_config(directory)
                    run_dir.delete(directory)
        if unowned_dir.is_dir():
            run_dir.remove_empty_dirs(unowned_dir)

    def adopt(self, name: str, env: str) -> bool:
        """Rename the containers of a deployment from before there were projects; return whether there were any."""
        unowned_name, owned_name = container_name("", name, env), container_name(self.project, name, env)
        old = [container for container in self.containers(name, env) if container.name.startswith(unowned_name)]
        if unowned_name == owned_name or not old:
            return False
        # Labels cannot be changed. A name can, and tells other projects whose container it is.
        for container in old:
            with docker_errors(f"renaming {container.name}"):
                self.client.api.rename(container.id, owned_name + container.name.removeprefix(unowned_name))
        return True

    def conflicts(self, name: str | None = None, env: str | None = None) -> tuple[str, ...]:
        """Describe what claims to be the project's and is not trusted; with a name, also what occupies it."""
        listed = self.listed(name, env) if name else self._last_listing or self.listed()
        by_id = {container.id: container for container in listed}
        base = container_name(self.project, name, env or "") if name else ""
        if name:
            with docker_errors("listing containers"):
                answers = self.client.api.containers(all=True, filters={"name": f"^/{re.escape(base)}$"})
            by_id |= {container.id: container for container in map(ContainerSummary.parse, answers)}
        conflicts = (self._conflict(container, base) for container in by_id.values())
        return tuple(sorted(filter(None, conflicts)))

    def _conflict(self, container: ContainerSummary, base: str) -> str | None:
        """Return why a container conflicts with a deployment, or None."""
        if self.owns(container):
            return None
        subject = f"the container {container.name}"
        if self.owner.claimed(container):
            reason = label_conflict(container, self.project) or listing.label_problem(container)
            return f"{subject} says that it is of project {self.project or '-'}, but {reason}"
        project = container.labels.get(PROJECT)
        if base and container.name == base:
            started = is_started_by_us(container) and project is not None
            return f"{subject} has this deployment's name and " + (
                f"belongs to project {project}"
                if started
                else f"was not started by deployer: docker rm --force {base} removes it"
            )
        if base and project is None and is_started_by_us(container) and project_from_name(container) == "":
            directory = container.labels.get(f"{LABEL}folder") or container.labels.get(f"{LABEL}gateway")
            return f"{subject} is of this name and of no project, and was deployed from another directory: {directory}"
        return None


def listed_name(container: Container) -> str:
    """Return the name of a container as the engine lists it."""
    return str(container.attrs["Names"][0]).lstrip("/")
