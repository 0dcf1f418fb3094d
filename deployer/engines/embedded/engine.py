"""The embedded engine: servers are processes of this machine that outlive the command. It needs no Docker."""

from __future__ import annotations

import dataclasses
import signal
import time
from collections import deque
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cached_property
from itertools import chain
from pathlib import Path
from typing import TextIO

from deployer.config.docker import Docker
from deployer.config.gateway import Gateway
from deployer.config.project import FALLBACK_PROJECT
from deployer.engines import process, run_dir
from deployer.engines.base import SERVING, Traits, adoption_note, one_server_error
from deployer.engines.embedded import launcher, processes, releases
from deployer.engines.embedded.inventory import EmbeddedInventory, RunDirectories
from deployer.engines.embedded.log_times import timed
from deployer.engines.embedded.preflight import EmbeddedPreflight
from deployer.engines.local import DirectoryLocks, NoCopies, NoGateways, NoImages
from deployer.errors import EngineError, NotReady, SettingRefused
from deployer.results.deployment import LOST, Deployment, Memory
from deployer.results.launch import Launch, Rendered
from deployer.results.logs import LogLine
from deployer.results.served import ServedModel
from deployer.savedmodel.op_sets import installed_target
from deployer.system.wait import POLL_SECONDS, Deadline, wait_until

NAME = "embedded"
PUBLIC_LINE = "Serving on public ports"


@dataclass(frozen=True)
class EmbeddedEngine:
    """The Engine that runs `python -m deployer.server`, with run directories below `state_dir`."""

    state_dir: Path
    project: str = FALLBACK_PROJECT

    @cached_property
    def traits(self) -> Traits:
        """The traits: old and new server share the ports while the old one drains; an ended process stays ended."""
        return Traits(
            name=NAME,
            id=str(self.state_dir.resolve()),
            project=self.project,
            state_dir=self.state_dir,
            zero_downtime=True,
            can_restart=False,
            tensorflow=installed_target(),
        )

    @cached_property
    def directories(self) -> RunDirectories:
        """The run directories of the project's servers."""
        return RunDirectories(self.state_dir, self.project)

    @cached_property
    def locks(self) -> DirectoryLocks:
        return DirectoryLocks(self.directories.deployment_dir)

    @cached_property
    def inventory(self) -> EmbeddedInventory:
        return EmbeddedInventory(self.state_dir, self.project, EmbeddedEngine)

    @cached_property
    def images(self) -> NoImages:
        return NoImages()

    @cached_property
    def copies(self) -> NoCopies:
        return NoCopies()

    @cached_property
    def gateways(self) -> NoGateways:
        return NoGateways()

    @cached_property
    def preflight(self) -> EmbeddedPreflight:
        return EmbeddedPreflight(self.directories.servers)

    def with_settings(self, settings: Docker, gateway: Gateway, temporary: tuple[str, ...]) -> EmbeddedEngine:
        del settings, gateway, temporary
        return self

    def observe(self, name: str, env: str) -> Deployment | None:
        return self.directories.serving(name, env)

    def foresee(self, name: str, env: str) -> Deployment | None:
        return self.observe(name, env)

    def recover(self, name: str, env: str) -> tuple[str, ...]:
        """Discard every server that is not labelled as serving: only a promoted one is. Resume that if it is paused."""
        leftovers = self._non_serving_dirs(name, env)
        for path in leftovers:
            releases.discard(path)
        removed = [f"the server {path.name} that a killed command left is removed" for path in leftovers]
        return (*self._adopt(name, env), *self._resume(name, env), *removed)

    def _resume(self, name: str, env: str) -> tuple[str, ...]:
        serving = self.observe(name, env)
        server = process.find(serving.directory, serving.pid) if serving and serving.paused else None
        if server is None:
            return ()
        process.resume(server)
        return (f"the server of {name} [{env}] was paused, and is resumed",)

    def _adopt(self, name: str, env: str) -> list[str]:
        """Label servers from before there were projects with this project."""
        notes = []
        for path in run_dir.release_dirs(self.directories.deployment_dir(name, env, "")):
            release = run_dir.read_labels(path)
            if release is not None and not release.project:
                run_dir.write_labels(path, dataclasses.replace(release, project=self.project))
                notes = [adoption_note(name, env, self.project)]
        return notes

    def stage(self, launch: Launch) -> Deployment:
        """Start a candidate that listens on private ports and holds the public ones, closed."""
        launcher.check_settings(launch)
        for path in self._non_serving_dirs(launch.name, launch.env):
            releases.discard(path)
        path = self.directories.deployment_dir(launch.name, launch.env) / run_dir.new_release_id()
        launch = dataclasses.replace(launch, project=self.project)
        return launcher.start_candidate(launch, path, self.observe(launch.name, launch.env))

    def promote(self, candidate: Deployment, seconds: float, accept: Callable[[Deployment], None]) -> Deployment:
        """Have the candidate open the public ports, which both servers share until the old one drains."""
        server = process.find(candidate.directory, candidate.pid)
        if server is None:
            raise EngineError(f"the candidate {candidate.release} ended before it could be promoted")
        server.send_signal(signal.SIGUSR1)
        self._await_public(candidate, seconds)
        accept(candidate)
        release = releases.require_labels(candidate.directory)
        run_dir.write_labels(candidate.directory, dataclasses.replace(release, role=SERVING))
        for path in self._other_dirs(candidate):
            releases.discard(path)
        return releases.require_deployment(candidate.directory)

    def render(self, form: str, launch: Launch) -> Rendered:
        """Raise SettingRefused: no file starts a process."""
        del launch
        raise SettingRefused(f"the embedded engine renders no {form}", hint="--engine docker does")

    def leftovers(self, name: str, env: str) -> tuple[str, ...]:
        """Return nothing: the engine has no gateway."""
        del name, env
        return ()

    def changed_variables(self, name: str, env: str) -> tuple[str, ...]:
        """Return nothing: the engine has no containers to set variables of."""
        del name, env
        return ()

    def write_config(self, deployment: Deployment, rendered: Rendered, models: tuple[ServedModel, ...]) -> None:
        run_dir.begin_reload(deployment.directory, rendered, models)

    def mark_serving(self, deployment: Deployment, models: tuple[ServedModel, ...]) -> Deployment:
        release = dataclasses.replace(releases.require_labels(deployment.directory), models=models)
        run_dir.write_labels(deployment.directory, release)
        run_dir.end_reload(deployment.directory)
        return releases.require_deployment(deployment.directory)

    def scale(self, deployment: Deployment, replicas: int) -> Deployment:
        """Raise SettingRefused: a deployment is one process."""
        del deployment, replicas
        raise one_server_error(NAME)

    def discard(self, deployment: Deployment) -> None:
        if deployment.role == LOST:
            processes.stop_lost(deployment, releases.STOP_SECONDS)
        else:
            releases.discard(deployment.directory)

    def remove(self, name: str, env: str) -> None:
        for lost in self.inventory.lost(name, env):
            self.discard(lost)
        for path in self.directories.release_dirs(name, env):
            releases.discard(path)
        run_dir.remove_empty_dirs(self.directories.deployment_dir(name, env, ""))

    def exit_reason(self, deployment: Deployment) -> str | None:
        """Return that the process ended: its exit code is known to its parent only."""
        if process.find(deployment.directory, deployment.pid) is not None:
            return None
        return f"the process of release {deployment.release} ended"

    def memory(self, deployment: Deployment) -> Memory | None:
        server = process.find(deployment.directory, deployment.pid)
        return None if server is None else Memory(process.used_bytes(server), free=process.free_bytes())

    def logs(
        self, deployment: Deployment, tail: int | None = None, *, follow: bool = False, since: float | None = None
    ) -> Iterator[LogLine]:
        path = deployment.directory / run_dir.LOG_FILE
        if not path.is_file():
            return
        with path.open(encoding="utf-8", errors="replace") as file:
            existing = deque(file if tail is not None else (), maxlen=tail)
            partial = existing.pop() if follow and existing and not existing[-1].endswith("\n") else ""
            written = (line.rstrip("\n") for line in existing)
            new = _lines(file, partial, lambda: follow and self.exit_reason(deployment) is None)
            yield from timed(chain(written, new), since)

    def _non_serving_dirs(self, name: str, env: str) -> tuple[Path, ...]:
        current = self.observe(name, env)
        return self._other_dirs(current) if current else self.directories.release_dirs(name, env)

    def _other_dirs(self, deployment: Deployment) -> tuple[Path, ...]:
        # Names do not tell which release came later: the clock may have been set back.
        directories = self.directories.release_dirs(deployment.name, deployment.env)
        return tuple(path for path in directories if path.resolve() != deployment.directory)

    def _await_public(self, candidate: Deployment, seconds: float) -> None:
        def opened() -> bool:
            return (
                any(PUBLIC_LINE in line.text for line in self.logs(candidate))
                or self.exit_reason(candidate) is not None
            )

        if not wait_until(opened, Deadline.after(seconds)) or self.exit_reason(candidate) is not None:
            tail = tuple(line.text for line in self.logs(candidate, 15))
            raise NotReady(f"the candidate {candidate.release} did not open its public ports", log=tail)


def _lines(file: TextIO, partial: str, is_running: Callable[[], bool]) -> Iterator[str]:
    """Yield complete lines as they are written, until the server ends; `partial` is the start of the first one."""
    running = True
    while running:
        running = is_running()
        while chunk := file.readline():
            partial += chunk
            if partial.endswith("\n"):
                yield partial.rstrip("\n")
                partial = ""
        time.sleep(POLL_SECONDS if running else 0)
    if partial:
        yield partial
