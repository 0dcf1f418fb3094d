"""The embedded engine: servers are child processes of this machine that outlive the command. No Docker needed."""

from __future__ import annotations

import dataclasses
import time
from collections import deque
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, TextIO

from deployer.config.project import FALLBACK
from deployer.engines import ports, process, run_folder
from deployer.engines.base import SERVING, Address, adoption
from deployer.engines.embedded import releases, running, starting
from deployer.engines.run_folder import Release
from deployer.errors import EngineError, NotReady, SettingRefused
from deployer.results.checks import Finding
from deployer.results.deployment import LOST, Deployment, Launch, Memory, NamedImage, Rendered, ServedModel
from deployer.results.model import Model
from deployer.system.locks import holder
from deployer.system.owners import Owner
from deployer.system.wait import POLL_SECONDS, Deadline, until

if TYPE_CHECKING:
    from deployer.savedmodel.op_sets import Target

PUBLIC_LINE = "Serving on public ports"


@dataclass(frozen=True)
class EmbeddedEngine:
    """Runs `python -m deployer.server`; its run folders lie below `state_dir`."""

    state_dir: Path
    gated: bool = False
    project: str = FALLBACK
    name: str = "embedded"

    def check(self) -> tuple[Finding, ...]:
        """The engine needs nothing but Python and TensorFlow, which the package depends on."""
        import importlib.util

        missing = [name for name in ("tensorflow", "grpc", "httptools") if importlib.util.find_spec(name) is None]
        return tuple(
            Finding("embedded engine", "error", f"{name} is not installed", "pip install tf-deployer")
            for name in missing
        )

    @property
    def place(self) -> str:
        """See Engine.place: where its run folders are."""
        return str(self.state_dir.resolve())

    def examine(self, models: Sequence[Model]) -> tuple[Finding, ...]:
        """See Engine.examine: the server is this very Python, and sees what it sees."""
        from deployer.engines import loading

        return tuple(loading.findings(self.tensorflow, models))

    def check_address(self, name: str, env: str, address: Address) -> None:
        """See Engine.check_address."""
        there = [seen for seen in map(releases.observe, self._releases(name, env)) if seen]
        ours = {port for seen in there if seen.running for port in (seen.rest_port, seen.grpc_port)}
        for port in (address.rest_port, address.grpc_port):
            if port and port not in ours:
                ports.check_free(address.host, port)

    def astray(self, deployment: Deployment, models: tuple[ServedModel, ...]) -> str:
        """See Engine.astray: a process finds by its path what is there now."""
        del deployment, models
        return ""

    def holder(self, port: int) -> str:
        """See Engine.holder."""
        return ports.holder(port)

    @property
    def tensorflow(self) -> Target | None:
        """See Engine.tensorflow: the one of this Python."""
        from deployer.savedmodel.op_sets import installed

        return installed()

    def traits(self) -> object:
        """See Engine.traits."""
        return None

    def image(self) -> NamedImage | None:
        """See Engine.image: a server is this very Python."""
        return None

    def images(self, names: Collection[str]) -> Mapping[str, NamedImage]:
        """See Engine.images."""
        del names
        return {}

    @property
    def seamless(self) -> bool:
        """Old and new server share the ports while the old one drains."""
        return True

    @property
    def revives(self) -> bool:
        """A process that has ended is no more."""
        return False

    def prepare(self, progress: Callable[[str], None]) -> None:
        """Nothing: Python and the package are here."""

    def models_root(self, models_dir: Path) -> str:
        """The server sees the disk as we do."""
        return str(models_dir.resolve())

    def lock(self, name: str, env: str, wait_seconds: float) -> AbstractContextManager[None]:
        """See Engine.lock."""
        return run_folder.locked(self._home(name, env), name, env, wait_seconds)

    def lock_owner(self, name: str, env: str) -> Owner | None:
        """See Engine.lock_owner."""
        return holder(self._home(name, env))

    def unlock(self, name: str, env: str) -> None:
        """See Engine.unlock."""
        run_folder.end_holder(self._home(name, env), name, env)

    def observe(self, name: str, env: str) -> Deployment | None:
        """The newest release that serves; when none runs, the newest that did."""
        found = [seen for seen in map(releases.observe, self._releases(name, env)) if seen]
        serving = [seen for seen in found if seen.role == SERVING]
        running = [seen for seen in serving if seen.running]
        newest = next(reversed(running or serving), None)
        return newest and dataclasses.replace(newest, project=self.project)

    def observe_all(self) -> tuple[Deployment, ...]:
        """See Engine.observe_all."""
        seen = (self.observe(name, env) for name, env in self.names())
        return tuple(deployment for deployment in seen if deployment)

    def names(self) -> tuple[tuple[str, str], ...]:
        """See Engine.names."""
        homes = run_folder.homes(self.state_dir / "run")
        there = {(name, env) for project, name, env in homes if self._has(project, name, env)}
        return tuple(sorted(there | {(lost.name, lost.env) for lost in self.lost()}))

    def _has(self, project: str, name: str, env: str) -> bool:
        """Whether a deployment's folder is this project's: one without a project when it has something of it, or
        nothing."""
        if project:
            return project == self.project
        return bool(self._releases(name, env)) or not run_folder.releases(self._home(name, env, ""))

    def others(self) -> tuple[EmbeddedEngine, ...]:
        """See Engine.others: those that share the state folder, and those whose servers run."""
        homes = tuple(run_folder.homes(self.state_dir / "run"))
        seen = {project for project, _, _ in homes}
        for _, name, env in (home for home in homes if not home[0]):
            known = map(run_folder.read, run_folder.releases(self._home(name, env, "")))
            seen |= {release.project for release in known if release}
        here = self.state_dir.resolve()
        places = {(here, project) for project in seen if project}
        places |= {(each.state_dir, each.project) for each in running.servers()}
        return tuple(
            dataclasses.replace(self, state_dir=self.state_dir if place == here else place, project=project)
            for place, project in sorted(places - {(here, self.project)})
        )

    def lost(self, name: str | None = None, env: str | None = None) -> tuple[Deployment, ...]:
        """See Engine.lost."""
        here = (self.state_dir.resolve(), self.project)
        found = [each for each in running.servers() if each.lost and (each.state_dir, each.project) == here]
        return tuple(each.deployment() for each in found if name in (None, each.name) and env in (None, each.env))

    def strangers(self, name: str | None = None, env: str | None = None) -> tuple[str, ...]:
        """See Engine.strangers."""
        homes = [(name, env)] if name and env else list(self.names())
        folders = (folder for key in homes for folder in run_folder.releases(self._home(*key)))
        told = ((folder, run_folder.read(folder)) for folder in folders)
        return tuple(
            f"the server in {folder} says that it is of project {release.project}"
            for folder, release in told
            if release is not None and not self._owns(release)
        )

    def _owns(self, release: Release | None) -> bool:
        """One without labels is half made, and was made here."""
        return release is None or release.project in ("", self.project)

    def _releases(self, name: str, env: str) -> tuple[Path, ...]:
        """The folders of a deployment's servers, with those from before there were projects."""
        homes = (self._home(name, env), self._home(name, env, ""))
        folders = (folder for home in homes for folder in run_folder.releases(home))
        return tuple(
            sorted((each for each in folders if self._owns(run_folder.read(each))), key=lambda each: each.name)
        )

    def sweep(self, name: str, env: str) -> None:
        """See Engine.sweep."""
        for folder in self._besides_serving(name, env):
            releases.discard(folder)

    def recover(self, name: str, env: str) -> tuple[str, ...]:
        """See Engine.recover."""
        left = self._besides_serving(name, env)
        self.sweep(name, env)
        told = [f"the server {folder.name} that a killed command left is removed" for folder in left]
        return (*self._adopted(name, env), *told)

    def _adopted(self, name: str, env: str) -> list[str]:
        """Note whose those servers are that were started before there were projects."""
        told = []
        for folder in run_folder.releases(self._home(name, env, "")):
            release = run_folder.read(folder)
            if release is not None and not release.project:
                run_folder.write(folder, dataclasses.replace(release, project=self.project))
                told = [adoption(name, env, self.project)]
        return told

    def stage(self, launch: Launch) -> Deployment:
        """See Engine.stage. The candidate listens on private ports and holds its public ones, closed."""
        starting.check_settings(launch)
        self.sweep(launch.name, launch.env)
        folder = self._home(launch.name, launch.env) / run_folder.new_release_id()
        launch = dataclasses.replace(launch, project=self.project)
        return starting.candidate(launch, folder, self.observe(launch.name, launch.env))

    def alive(self, deployment: Deployment) -> bool:
        """See Engine.alive."""
        return process.find(deployment.folder, deployment.pid) is not None

    def autopsy(self, deployment: Deployment) -> str:
        """See Engine.autopsy."""
        return f"the process of release {deployment.release} ended"

    def memory(self, deployment: Deployment) -> Memory | None:
        """See Engine.memory."""
        server = process.find(deployment.folder, deployment.pid)
        return None if server is None else Memory(process.used_bytes(server), free=process.free_bytes())

    def promote(self, candidate: Deployment, seconds: float, accept: Callable[[Deployment], None]) -> Deployment:
        """See Engine.promote. Both servers share the ports for the moment in which the old one begins to drain."""
        import signal

        child = process.find(candidate.folder, candidate.pid)
        if child is None:
            raise EngineError(f"the candidate {candidate.release} ended before it could be promoted")
        child.send_signal(signal.SIGUSR1)
        self._await_public(candidate, seconds)
        accept(candidate)
        release = releases.known(candidate.folder)
        run_folder.write(candidate.folder, dataclasses.replace(release, role=SERVING))
        for folder in self._besides(candidate):
            releases.discard(folder)
        return releases.observed(candidate.folder)

    def front(self, name: str, env: str, host: str) -> str:
        """See Engine.front: a server hands its ports over by itself, and nothing here guards them."""
        del name, env, host
        if self.gated:
            raise SettingRefused("the embedded engine has no gateway", hint="--engine docker, or take [gateway] out")
        return ""

    def refront(self, deployment: Deployment, accept: Callable[[Deployment], None]) -> Deployment:
        """See Engine.refront: there is none."""
        accept(deployment)
        return deployment

    def configure(self, deployment: Deployment, rendered: Rendered, models: tuple[ServedModel, ...]) -> None:
        """See Engine.configure."""
        run_folder.begin_reload(deployment.folder, rendered, models)

    def relabel(self, deployment: Deployment, models: tuple[ServedModel, ...]) -> Deployment:
        """See Engine.relabel."""
        release = dataclasses.replace(releases.known(deployment.folder), models=models)
        run_folder.write(deployment.folder, release)
        run_folder.end_reload(deployment.folder)
        return releases.observed(deployment.folder)

    def discard(self, deployment: Deployment) -> None:
        """See Engine.discard."""
        if deployment.role == LOST:
            running.end(deployment, releases.STOP_SECONDS)
        else:
            releases.discard(deployment.folder)

    def remove(self, name: str, env: str) -> None:
        """See Engine.remove."""
        for lost in self.lost(name, env):
            self.discard(lost)
        for folder in self._releases(name, env):
            releases.discard(folder)
        run_folder.clear_empty(self._home(name, env, ""))

    def logs(self, deployment: Deployment, tail: int | None = None, *, follow: bool = False) -> Iterator[str]:
        """See Engine.logs."""
        path = deployment.folder / run_folder.LOG_FILE
        if not path.is_file():
            return
        with path.open(encoding="utf-8", errors="replace") as file:
            there = deque(file if tail is not None else (), maxlen=tail)
            begun = there.pop() if follow and there and not there[-1].endswith("\n") else ""
            yield from (line.rstrip("\n") for line in there)
            yield from _lines(file, begun, lambda: follow and self.alive(deployment))

    def _home(self, name: str, env: str, project: str | None = None) -> Path:
        place = run_folder.place_of(self.project if project is None else project, env)
        return self.state_dir / "run" / place / name

    def _besides_serving(self, name: str, env: str) -> tuple[Path, ...]:
        current = self.observe(name, env)
        return self._besides(current) if current else self._releases(name, env)

    def _besides(self, deployment: Deployment) -> tuple[Path, ...]:
        """The folders of its other servers. A clock may have been put back: names do not tell which came later."""
        folders = self._releases(deployment.name, deployment.env)
        return tuple(folder for folder in folders if folder.resolve() != deployment.folder)

    def _await_public(self, candidate: Deployment, seconds: float) -> None:
        def opened() -> bool:
            return any(PUBLIC_LINE in line for line in self.logs(candidate)) or not self.alive(candidate)

        if not until(opened, Deadline.after(seconds)) or not self.alive(candidate):
            tail = tuple(self.logs(candidate, 15))
            raise NotReady(f"the candidate {candidate.release} did not open its public ports", log=tail)


def _lines(file: TextIO, begun: str, alive: Callable[[], bool]) -> Iterator[str]:
    """Whole lines as they are written, to the last one when the server is not alive; `begun` is half a line."""
    goes_on = True
    while goes_on:
        goes_on = alive()
        while piece := file.readline():
            begun += piece
            if begun.endswith("\n"):
                yield begun.rstrip("\n")
                begun = ""
        time.sleep(POLL_SECONDS if goes_on else 0)
    if begun:
        yield begun
