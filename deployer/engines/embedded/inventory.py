"""What the embedded engine has of a project, and of others: run directories, and processes that run without one."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from deployer.engines import ports, run_dir
from deployer.engines.base import SERVING, Engine
from deployer.engines.embedded import releases, running
from deployer.engines.run_dir import Release
from deployer.results.deployment import Deployment


@dataclass(frozen=True)
class RunDirectories:
    """The directories of one project's servers below a state directory."""

    state_dir: Path
    project: str

    def of(self, name: str, env: str, project: str | None = None) -> Path:
        """The directory of a deployment."""
        place = run_dir.place_of(self.project if project is None else project, env)
        return self.state_dir / "run" / place / name

    def releases(self, name: str, env: str) -> tuple[Path, ...]:
        """The directories of a deployment's servers, with those from before there were projects."""
        homes = (self.of(name, env), self.of(name, env, ""))
        found = (path for home in homes for path in run_dir.releases(home))
        return tuple(sorted((each for each in found if self.owns(run_dir.read(each))), key=lambda each: each.name))

    def servers(self, name: str, env: str) -> list[Deployment]:
        """The servers of a deployment whose labels can be read, oldest first."""
        return [seen for seen in map(releases.observe, self.releases(name, env)) if seen]

    def serving(self, name: str, env: str) -> Deployment | None:
        """The newest release that serves; when none runs, the newest that did."""
        found = [seen for seen in self.servers(name, env) if seen.role == SERVING]
        alive = [seen for seen in found if seen.running]
        newest = next(reversed(alive or found), None)
        return newest and dataclasses.replace(newest, project=self.project)

    def owns(self, release: Release | None) -> bool:
        """One without labels is half made, and was made here."""
        return release is None or release.project in ("", self.project)


@dataclass(frozen=True)
class EmbeddedInventory:
    """The Inventory of the embedded engine; `engine` makes that of another state directory and project."""

    state_dir: Path
    project: str
    engine: Callable[[Path, str], Engine]

    @cached_property
    def directories(self) -> RunDirectories:
        """Those of the project."""
        return RunDirectories(self.state_dir, self.project)

    def observe_all(self) -> tuple[Deployment, ...]:
        """By the labels in their run directories."""
        seen = (self.directories.serving(name, env) for name, env in self.names())
        return tuple(deployment for deployment in seen if deployment)

    def names(self) -> tuple[tuple[str, str], ...]:
        """By run directories and processes."""
        homes = run_dir.homes(self.state_dir / "run")
        found = {(name, env) for project, name, env in homes if self._has(project, name, env)}
        return tuple(sorted(found | {(lost.name, lost.env) for lost in self.lost()}))

    def _has(self, project: str, name: str, env: str) -> bool:
        """Whether a deployment's directory is this project's: one without a project when it has something of it, or
        nothing."""
        if project:
            return project == self.project
        empty = not run_dir.releases(self.directories.of(name, env, ""))
        return empty or bool(self.directories.releases(name, env))

    def lost(self, name: str | None = None, env: str | None = None) -> tuple[Deployment, ...]:
        """By their processes."""
        here = (self.state_dir.resolve(), self.project)
        found = [each for each in running.servers() if each.lost and (each.state_dir, each.project) == here]
        return tuple(each.deployment() for each in found if name in (None, each.name) and env in (None, each.env))

    def strangers(self, name: str | None = None, env: str | None = None) -> tuple[str, ...]:
        """Run directories of this project whose labels name another one."""
        return tuple(
            f"the server in {path} says that it is of project {release.project}"
            for path, release in self._labelled([(name, env)] if name and env else self.names())
            if not self.directories.owns(release)
        )

    def _labelled(self, keys: Iterable[tuple[str, str]]) -> Iterable[tuple[Path, Release]]:
        for key in keys:
            for path in run_dir.releases(self.directories.of(*key)):
                if release := run_dir.read(path):
                    yield path, release

    def other_projects(self) -> tuple[Engine, ...]:
        """Those that share the state directory, and those whose servers run."""
        homes = tuple(run_dir.homes(self.state_dir / "run"))
        seen = {project for project, _, _ in homes}
        for _, name, env in (home for home in homes if not home[0]):
            known = map(run_dir.read, run_dir.releases(self.directories.of(name, env, "")))
            seen |= {release.project for release in known if release}
        here = self.state_dir.resolve()
        places = {(here, project) for project in seen if project}
        places |= {(each.state_dir, each.project) for each in running.servers()}
        return tuple(
            self.engine(self.state_dir if place == here else place, project)
            for place, project in sorted(places - {(here, self.project)})
        )

    def port_holder(self, port: int) -> str:
        """A process of this machine."""
        return ports.holder(port)
