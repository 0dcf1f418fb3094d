"""The in-memory engine: the whole Engine interface, with servers that are objects of this process."""

from __future__ import annotations

import contextlib
import dataclasses
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from deployer.config.docker import Docker
from deployer.config.gateway import Gateway
from deployer.engines import base, flags, ports, run_dir
from deployer.engines.base import CANDIDATE, SERVING, Traits, adoption_note, one_server_error
from deployer.engines.local import DirectoryLocks, NoCopies, NoGateways, NoImages, check_address
from deployer.engines.port_holders import PortHolder, process_holder
from deployer.errors import EngineError, SettingRefused
from deployer.results.checks import Finding
from deployer.results.deployment import GRPC_PORT, REST_PORT, Deployment, Endpoints, Memory
from deployer.results.launch import MODEL_CONFIG, Launch, Rendered
from deployer.results.logs import LogLine
from deployer.results.model import Model
from deployer.results.served import ServedModel
from support.memory.platform import Address, Platform, Running, platform_of
from support.memory.server import ModelServer
from support.world import free_port

NUMBERS = ("grpc_max_threads", "rest_api_num_threads")
"""Flags that end a server whose value for them is no number."""


class RefusedGateways(NoGateways):
    """The gateways of an engine that refuses settings which ask for one."""

    def digest(self, name: str, env: str, host: str) -> str:
        raise SettingRefused("the memory engine has no gateway", hint="take [gateway] out")


@dataclass(frozen=True)
class MemoryEngine:
    """The servers of a state directory; another engine of that directory sees them too. Locks are files there."""

    state_dir: Path
    project: str = ""
    gated: bool = False
    replicated: bool = False
    settings: Docker | None = None
    """Those of its containers, where it stands in for an engine with containers."""

    address: str = ""
    """Where it is asked: at each address is another engine."""

    @property
    def platform(self) -> Platform:
        """Where the servers are, and what a test lets go wrong."""
        return platform_of(self.state_dir, self.address)

    @property
    def traits(self) -> Traits:
        return Traits(
            name="memory",
            id=self.address or str(self.state_dir.resolve()),
            project=self.project,
            state_dir=self.state_dir,
            zero_downtime=self.platform.seamless,
            can_restart=self.platform.revives,
            replicated=self.replicated,
            address=self.address,
            selected_by="docker.host" if self.address else "",
            image=self.settings.image if self.settings else "",
            fingerprint=dataclasses.asdict(self.settings) if self.settings else None,
        )

    def with_settings(self, settings: Docker, gateway: Gateway, temporary: tuple[str, ...]) -> MemoryEngine:
        del gateway, temporary
        return dataclasses.replace(self, settings=settings) if self.settings else self

    @property
    def locks(self) -> DirectoryLocks:
        return DirectoryLocks(self._home)

    @property
    def inventory(self) -> MemoryInventory:
        return MemoryInventory(self)

    @property
    def images(self) -> MemoryImages:
        return MemoryImages(self.platform)

    @property
    def copies(self) -> NoCopies:
        return NoCopies()

    @property
    def gateways(self) -> NoGateways:
        return RefusedGateways() if self.gated else NoGateways()

    @property
    def preflight(self) -> MemoryPreflight:
        return MemoryPreflight(self)

    def observe(self, name: str, env: str) -> Deployment | None:
        serving = [each for each in self.servers(name, env) if each.seen.role == SERVING]
        newest = next(iter(sorted(serving, key=lambda each: each.address is None)), None)
        return newest and self._observed(newest)

    def foresee(self, name: str, env: str) -> Deployment | None:
        if killed := self._killed(name, env):
            return dataclasses.replace(self._observed(killed[1]), running=True)
        return self.observe(name, env)

    def _killed(self, name: str, env: str) -> tuple[Running, Running] | None:
        """The server that a killed promotion has left at the public address, and the accepted one."""
        serving = [each for each in self.servers(name, env) if each.seen.role == SERVING]
        left = next((each for each in serving if not each.accepted), None)
        return left and (left, next(each for each in serving if each.accepted))

    def recover(self, name: str, env: str) -> tuple[str, ...]:
        self.platform.does("recover")
        if killed := self._killed(name, env):
            left, accepted = killed
            accepted.address, left.address = left.address, None
            assert accepted.address is not None
            accepted.address.server = accepted.server
            self._drop(left)
        current = self.observe(name, env)
        left = self._besides(current, name, env)
        for each in left:
            self._drop(each)
        adopted = self.project and self.platform.servers.pop(("", name, env), [])
        for each in adopted or ():
            each.seen = dataclasses.replace(each.seen, project=self.project)
            self.platform.servers.setdefault((self.project, name, env), []).append(each)
        swept = tuple(f"the server {each.seen.release} that a killed command left is removed" for each in left)
        return (*((adoption_note(name, env, self.project),) if adopted else ()), *swept)

    def stage(self, launch: Launch) -> Deployment:
        self.platform.does("stage")
        flags.check(flags.EMBEDDED, launch.flags)
        observed = self.observe(launch.name, launch.env)
        for each in self._besides(observed, launch.name, launch.env):
            self._drop(each)
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
        release = run_dir.new_release_id()
        return Deployment(
            name=launch.name,
            env=launch.env,
            engine="memory",
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
            directory=self.state_dir / "memory" / release,
            host=launch.host,
            project=self.project,
            settings=dataclasses.asdict(self.settings) if self.settings else {},
            temporary_settings=launch.temporary_settings,
            store=Path(launch.models_root),
            flags=launch.flags,
            replicas=launch.replicas or 1,
        )

    def exit_reason(self, deployment: Deployment) -> str | None:
        found = self._running(deployment)
        if found is not None and found.address is not None:
            return None
        return f"the server of release {deployment.release} ended"

    def memory(self, deployment: Deployment) -> Memory | None:
        return self.platform.memory if self.exit_reason(deployment) is None else None

    def promote(self, candidate: Deployment, seconds: float, accept: Callable[[Deployment], None]) -> Deployment:
        """The candidate answers at the public address; when it is not accepted, the one before it does so again."""
        del seconds
        self.platform.does("promote")
        promoted = self._known(candidate)
        if promoted.address is None:
            raise EngineError(f"the candidate {candidate.release} ended before it could be promoted")
        old = [each for each in self.servers(candidate.name, candidate.env) if each.seen.role == SERVING]
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
            self.platform.does("restore")
            raise
        private.close()
        for each in old:
            if each.address is public:
                each.address = None
            self._drop(each)
        return self._observed(promoted)

    def render(self, form: str, launch: Launch) -> Rendered:
        del launch
        raise SettingRefused(f"the memory engine renders no {form}")

    def leftovers(self, name: str, env: str) -> tuple[str, ...]:
        del name, env
        return ()

    def changed_variables(self, name: str, env: str) -> tuple[str, ...]:
        del name, env
        return ()

    def write_config(self, deployment: Deployment, rendered: Rendered, models: tuple[ServedModel, ...]) -> None:
        self.platform.does("write_config")
        found = self._known(deployment)
        found.seen = dataclasses.replace(found.seen, reloading_to=models)

    def mark_serving(self, deployment: Deployment, models: tuple[ServedModel, ...]) -> Deployment:
        self.platform.does("mark_serving")
        found = self._known(deployment)
        found.seen = dataclasses.replace(found.seen, models=models, reloading_to=None)
        return self._observed(found)

    def scale(self, deployment: Deployment, replicas: int) -> Deployment:
        """The number alone: there is one server, whatever it says."""
        if not self.replicated:
            raise one_server_error("memory")
        self.platform.does("scale")
        found = self._known(deployment)
        found.seen = dataclasses.replace(found.seen, replicas=replicas)
        return self._observed(found)

    def discard(self, deployment: Deployment) -> None:
        self.platform.does("discard")
        if found := self._running(deployment):
            self._drop(found)

    def remove(self, name: str, env: str) -> None:
        self.platform.does("remove")
        for each in self.servers(name, env):
            self._drop(each)

    def logs(
        self, deployment: Deployment, tail: int | None = None, *, follow: bool = False, since: float | None = None
    ) -> Iterator[LogLine]:
        found = self._running(deployment)
        lines = found.server.log if found else []
        told = len(lines)
        if since is not None and since > time.time():  # it knows no times
            return
        yield from map(LogLine, lines[len(lines) - tail :] if tail is not None and tail <= told else list(lines))
        while follow and self.exit_reason(deployment) is None:
            time.sleep(0.02)
            yield from map(LogLine, lines[told:])
            told = len(lines)

    def _besides(self, serving: Deployment | None, name: str, env: str) -> list[Running]:
        """The other servers of a deployment."""
        release = serving and serving.release
        return [each for each in self.servers(name, env) if each.seen.release != release]

    def _home(self, name: str, env: str) -> Path:
        return self.state_dir / "run" / run_dir.env_dir_name(self.project, env) / name

    def servers(self, name: str, env: str) -> list[Running]:
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


@dataclass(frozen=True)
class MemoryInventory:
    engine: MemoryEngine

    def observe_all(self) -> tuple[Deployment, ...]:
        seen = (self.engine.observe(name, env) for name, env in self.names())
        return tuple(deployment for deployment in seen if deployment)

    def names(self) -> tuple[tuple[str, str], ...]:
        project = self.engine.project
        servers = [key for key, found in self.engine.platform.servers.items() if found and key[0] in ("", project)]
        locks = [key for key in run_dir.list_deployments(self.engine.state_dir / "run") if key[0] == project]
        return tuple(sorted({(name, env) for _, name, env in (*servers, *locks)}))

    def lost(self, name: str | None = None, env: str | None = None) -> tuple[Deployment, ...]:
        del name, env
        return ()

    def conflicts(self, name: str | None = None, env: str | None = None) -> tuple[str, ...]:
        del name, env
        return ()

    def other_projects(self) -> tuple[MemoryEngine, ...]:
        projects = {project for (project, _, _), found in self.engine.platform.servers.items() if found}
        others = sorted(projects - {"", self.engine.project})
        return tuple(dataclasses.replace(self.engine, project=each) for each in others)

    def port_holder(self, port: int) -> PortHolder:
        return process_holder(port)


@dataclass(frozen=True)
class MemoryImages(NoImages):
    platform: Platform

    def pull(self, progress: Callable[[str], None]) -> None:
        del progress
        self.platform.does("pull")


@dataclass(frozen=True)
class MemoryPreflight:
    engine: MemoryEngine

    def platform(self) -> tuple[Finding, ...]:
        return ()

    def models(self, models: Sequence[Model]) -> tuple[Finding, ...]:
        del models
        return ()

    def address(self, name: str, env: str, address: base.Address) -> None:
        check_address(address, (each.seen for each in self.engine.servers(name, env) if each.address))

    def reload(self, deployment: Deployment, models: tuple[ServedModel, ...]) -> str:
        del deployment, models
        return ""


def _public(host: str, wanted: int | None, usual: int, there: int | None, *, shared: bool) -> int:
    """As the embedded engine chooses it: the port of what serves, the wanted one, the usual one, or any."""
    if shared and there is not None and (not wanted or wanted == there):
        return there
    if wanted:
        ports.check_free(host, wanted)
        return wanted
    preferred = ports.first_free(host, there, usual if wanted is None else None)
    return preferred or free_port()  # not any_free: another test's engine could be given the same
