"""The deployments of the embedded engine, by run directories, and by processes that have lost theirs."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from deployer.engines import run_dir
from deployer.engines.base import SERVING, Engine
from deployer.engines.embedded import processes, releases
from deployer.engines.port_holders import PortHolder, process_holder
from deployer.engines.run_dir import Release
from deployer.results.deployment import Deployment


@dataclass(frozen=True)
class RunDirectories:
    """The run directories of one project below a state directory."""

    state_dir: Path
    project: str

    def deployment_dir(self, name: str, env: str, project: str | None = None) -> Path:
        """Return the directory of a deployment."""
        env_dir = run_dir.env_dir_name(self.project if project is None else project, env)
        return self.state_dir / "run" / env_dir / name

    def release_dirs(self, name: str, env: str) -> tuple[Path, ...]:
        """Return the run directories of a deployment, including those from before there were projects."""
        parents = (self.deployment_dir(name, env), self.deployment_dir(name, env, ""))
        directories = (path for parent in parents for path in run_dir.release_dirs(parent))
        return tuple(
            sorted(
                (path for path in directories if self.owns(run_dir.read_labels(path))),
                key=lambda path: path.name,
            )
        )

    def servers(self, name: str, env: str) -> list[Deployment]:
        """Return the servers of a deployment that have labels, oldest first."""
        return [observed for observed in map(releases.read_deployment, self.release_dirs(name, env)) if observed]

    def serving(self, name: str, env: str) -> Deployment | None:
        """Return the newest release that serves and runs, or else the newest that served."""
        serving = [observed for observed in self.servers(name, env) if observed.role == SERVING]
        running = [observed for observed in serving if observed.running]
        newest = next(reversed(running or serving), None)
        return newest and dataclasses.replace(newest, project=self.project)

    def owns(self, release: Release | None) -> bool:
        """Return whether a release is the project's. One without labels was never completed, and is."""
        return release is None or release.project in ("", self.project)


@dataclass(frozen=True)
class EmbeddedInventory:
    """The Inventory of the embedded engine; `engine` makes the engine of another state directory and project."""

    state_dir: Path
    project: str
    engine: Callable[[Path, str], Engine]

    @cached_property
    def directories(self) -> RunDirectories:
        """The run directories of the project."""
        return RunDirectories(self.state_dir, self.project)

    def observe_all(self) -> tuple[Deployment, ...]:
        observed = (self.directories.serving(name, env) for name, env in self.names())
        return tuple(deployment for deployment in observed if deployment)

    def names(self) -> tuple[tuple[str, str], ...]:
        deployments = run_dir.list_deployments(self.state_dir / "run")
        owned = {(name, env) for project, name, env in deployments if self._owns_deployment(project, name, env)}
        return tuple(sorted(owned | {(lost.name, lost.env) for lost in self.lost()}))

    def _owns_deployment(self, project: str, name: str, env: str) -> bool:
        """Return whether a deployment's directory is the project's.

        One without a project is if it is empty or has a release of the project.
        """
        if project:
            return project == self.project
        empty = not run_dir.release_dirs(self.directories.deployment_dir(name, env, ""))
        return empty or bool(self.directories.release_dirs(name, env))

    def lost(self, name: str | None = None, env: str | None = None) -> tuple[Deployment, ...]:
        own = (self.state_dir.resolve(), self.project)
        servers = [
            server for server in processes.find_servers() if server.lost and (server.state_dir, server.project) == own
        ]
        return tuple(
            server.deployment() for server in servers if name in (None, server.name) and env in (None, server.env)
        )

    def conflicts(self, name: str | None = None, env: str | None = None) -> tuple[str, ...]:
        """Describe the run directories of this project whose labels name another one."""
        return tuple(
            f"the server in {path} says that it is of project {release.project}"
            for path, release in self._labelled_releases([(name, env)] if name and env else self.names())
            if not self.directories.owns(release)
        )

    def _labelled_releases(self, keys: Iterable[tuple[str, str]]) -> Iterable[tuple[Path, Release]]:
        for key in keys:
            for path in run_dir.release_dirs(self.directories.deployment_dir(*key)):
                if release := run_dir.read_labels(path):
                    yield path, release

    def other_projects(self) -> tuple[Engine, ...]:
        """Return the engines of projects that share the state directory, and of those whose servers run."""
        deployments = tuple(run_dir.list_deployments(self.state_dir / "run"))
        projects = {project for project, _, _ in deployments}
        for _, name, env in (deployment for deployment in deployments if not deployment[0]):
            labels = map(run_dir.read_labels, run_dir.release_dirs(self.directories.deployment_dir(name, env, "")))
            projects |= {release.project for release in labels if release}
        state_dir = self.state_dir.resolve()
        others = {(state_dir, project) for project in projects if project}
        others |= {(server.state_dir, server.project) for server in processes.find_servers()}
        return tuple(
            self.engine(self.state_dir if path == state_dir else path, project)
            for path, project in sorted(others - {(state_dir, self.project)})
        )

    def port_holder(self, port: int) -> PortHolder:
        return process_holder(port)
