"""The in-memory engine: the whole Engine interface, with servers that are objects of this process."""

from __future__ import annotations

import contextlib
import dataclasses
import time
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path

from deployer.engines import base, flags, ports, run_folder
from deployer.engines.base import CANDIDATE, SERVING, adoption
from deployer.errors import EngineError, SettingRefused
from deployer.results.checks import Finding
from deployer.results.deployment import (
    GRPC_PORT,
    MODEL_CONFIG,
    REST_PORT,
    Deployment,
    Endpoints,
    Launch,
    Memory,
    NamedImage,
    Rendered,
    ServedModel,
)
from deployer.results.model import Model
from deployer.savedmodel.op_sets import Target
from deployer.system.locks import holder
from deployer.system.owners import Owner
from support.memory.platform import Address, Platform, Running, platform_of
from support.memory.server import ModelServer

NUMBERS = ("grpc_max_threads", "rest_api_num_threads")
"""Flags that end a server whose value for them is no number."""


@dataclass(frozen=True)
class MemoryEngine:
    """The servers of a state folder; another engine of that folder sees them too. Locks are files there."""

    state_dir: Path
    project: str = ""
    gated: bool = False
    name: str = "memory"

    @property
    def platform(self) -> Platform:
        """Where the servers are, and what a test lets go wrong."""
        return platform_of(self.state_dir)

    @property
    def place(self) -> str:
        return str(self.state_dir.resolve())

    @property
    def tensorflow(self) -> Target | None:
        return None

    @property
    def seamless(self) -> bool:
        return self.platform.seamless

    @property
    def revives(self) -> bool:
        return self.platform.revives

    def others(self) -> tuple[MemoryEngine, ...]:
        projects = {project for (project, _, _), found in self.platform.servers.items() if found}
        return tuple(dataclasses.replace(self, project=each) for each in sorted(projects - {"", self.project}))

    def lost(self, name: str | None = None, env: str | None = None) -> tuple[Deployment, ...]:
        del name, env
        return ()

    def strangers(self, name: str | None = None, env: str | None = None) -> tuple[str, ...]:
        del name, env
        return ()

    def check(self) -> tuple[Finding, ...]:
        return ()

    def examine(self, models: Sequence[Model]) -> tuple[Finding, ...]:
        del models
        return ()

    def check_address(self, name: str, env: str, address: base.Address) -> None:
        ours = {
            port for each in self._servers(name, env) if each.address
            for port in (each.seen.rest_port, each.seen.grpc_port)
        }  # fmt: skip
        for port in (address.rest_port, address.grpc_port):
            if port and port not in ours:
                ports.check_free(address.host, port)

    def astray(self, deployment: Deployment, models: tuple[ServedModel, ...]) -> str:
        del deployment, models
        return ""

    def holder(self, port: int) -> str:
        return ports.holder(port)

    def traits(self) -> object:
        return None

    def image(self) -> NamedImage | None:
        return None

    def images(self, names: Collection[str]) -> Mapping[str, NamedImage]:
        del names
        return {}

    def prepare(self, progress: Callable[[str], None]) -> None:
        del progress
        self.platform.does("prepare")

    def models_root(self, models_dir: Path) -> str:
        return str(models_dir.resolve())

    def lock(self, name: str, env: str, wait_seconds: float) -> AbstractContextManager[None]:
        return run_folder.locked(self._home(name, env), name, env, wait_seconds)

    def lock_owner(self, name: str, env: str) -> Owner | None:
        return holder(self._home(name, env))

    def unlock(self, name: str, env: str) -> None:
        run_folder.end_holder(self._home(name, env), name, env)

    def observe(self, name: str, env: str) -> Deployment | None:
        serving = [each for each in self._servers(name, env) if each.seen.role == SERVING]
        newest = next(iter(sorted(serving, key=lambda each: each.address is None)), None)
        return newest and self._observed(newest)

    def observe_all(self) -> tuple[Deployment, ...]:
        seen = (self.observe(name, env) for name, env in self.names())
        return tuple(deployment for deployment in seen if deployment)

    def names(self) -> tuple[tuple[str, str], ...]:
        servers = [key for key, found in self.platform.servers.items() if found and key[0] in ("", self.project)]
        locks = [key for key in run_folder.homes(self.state_dir / "run") if key[0] == self.project]
        return tuple(sorted({(name, env) for _, name, env in (*servers, *locks)}))

    def sweep(self, name: str, env: str) -> None:
        self.platform.does("sweep")
        current = self.observe(name, env)
        for each in self._servers(name, env):
            if current is None or each.seen.release != current.release:
                self._drop(each)

    def recover(self, name: str, env: str) -> tuple[str, ...]:
        self.platform.does("recover")
        current = self.observe(name, env)
        left = [each for each in self._servers(name, env) if current is None or each.seen.release != current.release]
        self.sweep(name, env)
        adopted = self.project and self.platform.servers.pop(("", name, env), [])
        for each in adopted or ():
            each.seen = dataclasses.replace(each.seen, project=self.project)
            self.platform.servers.setdefault((self.project, name, env), []).append(each)
        swept = tuple(f"the server {each.seen.release} that a killed command left is removed" for each in left)
        return (*((adoption(name, env, self.project),) if adopted else ()), *swept)

    def stage(self, launch: Launch) -> Deployment:
        self.platform.does("stage")
        flags.check(flags.EMBEDDED, launch.flags)
        self.sweep(launch.name, launch.env)
        observed = self.observe(launch.name, launch.env)
        there = (observed.rest_port, observed.grpc_port) if observed else (None, None)
        running = observed is not None and observed.running and observed.host == launch.host
        rest = _public(launch.host, launch.rest_port, REST_PORT, there[0], shared=running)
        grpc = _public(launch.host, launch.grpc_port, GRPC_PORT, there[1], shared=running)
        server = ModelServer(self.platform.faults)
        server.take_up(launch.rendered.files[MODEL_CONFIG])
        made = Running(self._candidate(launch, rest, grpc), server, Address(server).open())
        self.platform.servers.setdefault((self.project, launch.name, launch.env), []).append(made)
        if spoilt := [flag for flag, value in launch.flags if flag in NUMBERS and not value.isdigit()]:
            server.log.append(f"invalid value for flag {spoilt[0]}")
            made.end()
        return self._observed(made)

    def _candidate(self, launch: Launch, rest: int, grpc: int) -> Deployment:
        release = run_folder.new_release_id()
        return Deployment(
            name=launch.name,
            env=launch.env,
            engine=self.name,
            release=release,
            role=CANDIDATE,
            models=launch.models,
            endpoints=Endpoints("", ""),
            rest_port=rest,
            grpc_port=grpc,
            server_digest=launch.server_digest,
            created=time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()),
            running=True,
            pid=None,
            folder=self.state_dir / "memory" / release,
            host=launch.host,
            project=self.project,
        )

    def alive(self, deployment: Deployment) -> bool:
        found = self._running(deployment)
        return found is not None and found.address is not None

    def autopsy(self, deployment: Deployment) -> str:
        return f"the server of release {deployment.release} ended"

    def memory(self, deployment: Deployment) -> Memory | None:
        return self.platform.memory if self.alive(deployment) else None

    def promote(self, candidate: Deployment, seconds: float, accept: Callable[[Deployment], None]) -> Deployment:
        """The candidate answers at the public address; when it is not accepted, the one before it does so again."""
        del seconds
        self.platform.does("promote")
        promoted = self._known(candidate)
        if promoted.address is None:
            raise EngineError(f"the candidate {candidate.release} ended before it could be promoted")
        old = [each for each in self._servers(candidate.name, candidate.env) if each.seen.role == SERVING]
        before = next((each for each in old if each.address is not None), None)
        private, public = promoted.address, before.address if before else None
        if public is None or (public.rest_port, public.grpc_port) != (candidate.rest_port, candidate.grpc_port):
            public = Address(promoted.server, candidate.rest_port, candidate.grpc_port).open()
        previous, public.server, promoted.address = public.server, promoted.server, public
        promoted.server.candidate = False
        promoted.seen = dataclasses.replace(promoted.seen, role=SERVING)
        try:
            accept(self._observed(promoted))
        except BaseException:
            promoted.seen = dataclasses.replace(promoted.seen, role=CANDIDATE)
            promoted.server.candidate, promoted.address, public.server = True, private, previous
            if before is None or public is not before.address:
                public.close()
            raise
        private.close()
        for each in old:
            if each.address is public:
                each.address = None
            self._drop(each)
        return self._observed(promoted)

    def front(self, name: str, env: str, host: str) -> str:
        del name, env, host
        if self.gated:
            raise SettingRefused("the memory engine has no gateway", hint="take [gateway] out")
        return ""

    def refront(self, deployment: Deployment, accept: Callable[[Deployment], None]) -> Deployment:
        accept(deployment)
        return deployment

    def configure(self, deployment: Deployment, rendered: Rendered, models: tuple[ServedModel, ...]) -> None:
        self.platform.does("configure")
        found = self._known(deployment)
        found.seen = dataclasses.replace(found.seen, under_way=models)

    def relabel(self, deployment: Deployment, models: tuple[ServedModel, ...]) -> Deployment:
        self.platform.does("relabel")
        found = self._known(deployment)
        found.seen = dataclasses.replace(found.seen, models=models, under_way=None)
        return self._observed(found)

    def discard(self, deployment: Deployment) -> None:
        self.platform.does("discard")
        if found := self._running(deployment):
            self._drop(found)

    def remove(self, name: str, env: str) -> None:
        self.platform.does("remove")
        for each in self._servers(name, env):
            self._drop(each)

    def logs(self, deployment: Deployment, tail: int | None = None, *, follow: bool = False) -> Iterator[str]:
        found = self._running(deployment)
        lines = found.server.log if found else []
        told = len(lines)
        yield from lines[len(lines) - tail :] if tail is not None and tail <= told else list(lines)
        while follow and self.alive(deployment):
            time.sleep(0.02)
            yield from lines[told:]
            told = len(lines)

    def _home(self, name: str, env: str) -> Path:
        return self.state_dir / "run" / run_folder.place_of(self.project, env) / name

    def _servers(self, name: str, env: str) -> list[Running]:
        """Of this project, and those from before there were projects."""
        return [each for owner in {self.project, ""} for each in self.platform.servers.get((owner, name, env), [])]

    def _running(self, deployment: Deployment) -> Running | None:
        return next((each for each in self.platform.all() if each.seen.release == deployment.release), None)

    def _known(self, deployment: Deployment) -> Running:
        found = self._running(deployment)
        if found is None:
            raise EngineError(f"there is no server of release {deployment.release}", hint="run the command again")
        return found

    def _observed(self, running: Running) -> Deployment:
        serving = running.seen.role == SERVING
        at = running.address
        rest, grpc = (
            (at.rest_port, at.grpc_port) if at and not serving else (running.seen.rest_port, running.seen.grpc_port)
        )
        host = ports.url_host(running.seen.host)
        endpoints = Endpoints(f"http://{host}:{rest}", f"{host}:{grpc}")
        return dataclasses.replace(running.seen, endpoints=endpoints, running=at is not None, project=self.project)

    def _drop(self, running: Running) -> None:
        running.end()
        for found in self.platform.servers.values():
            with contextlib.suppress(ValueError):
                found.remove(running)


def _public(host: str, wanted: int | None, usual: int, there: int | None, *, shared: bool) -> int:
    """As the embedded engine chooses it: the port of what serves, the wanted one, the usual one, or any."""
    if shared and there is not None and (not wanted or wanted == there):
        return there
    if wanted:
        ports.check_free(host, wanted)
        return wanted
    preferred = ports.first_free(host, there, usual if wanted is None else None)
    return preferred or ports.any_free(host)
