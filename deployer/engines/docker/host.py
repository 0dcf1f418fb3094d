"""One Docker Engine, as a project uses it from a state directory: the connection and what was read through it."""

from __future__ import annotations

import contextlib
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cached_property, partial
from pathlib import Path

from docker import DockerClient

from deployer.config.engine_address import parse_address
from deployer.config.project import FALLBACK_PROJECT
from deployer.config.spec import Docker, Gateway
from deployer.engines.docker import context as docker_context
from deployer.engines.docker.api import API_SECONDS, connect, docker_errors, transport_to
from deployer.engines.docker.engine_lock import EngineLock
from deployer.engines.docker.gateway.config import GatewayConfig
from deployer.engines.docker.gateway.containers import GatewayContainers
from deployer.engines.docker.gateway.directory import GatewayDir
from deployer.engines.docker.images import find_image
from deployer.engines.docker.inspection import EngineInfo, Image
from deployer.engines.docker.machine import LocalMachine, Machine
from deployer.engines.docker.names import CONTENTS, LABEL
from deployer.engines.docker.state import DockerState
from deployer.errors import EngineUnavailable, InvalidValue
from deployer.results.deployment import Deployment


@dataclass(frozen=True)
class DockerHost:
    """The engine that `docker.host`, DOCKER_HOST or the docker context selects.

    Variables set `temporary_gateway`, some settings of the gateway. `cors` is whether the servers allow requests from
    other origins, which the gateway needs to know. Each call to the engine may take `answer_seconds`.
    """

    state_dir: Path
    models_dir: Path
    settings: Docker
    gateway: Gateway = field(default_factory=Gateway)
    temporary_gateway: tuple[str, ...] = ()
    templates_dir: Path | None = None
    cors: bool = False
    project: str = FALLBACK_PROJECT
    answer_seconds: float = API_SECONDS
    store_dir: Path | None = None
    """The project's store, if the image of the settings has the models inside: `models_dir` then is a copy of them."""

    _failures: list[EngineUnavailable] = field(default_factory=list, init=False, repr=False, compare=False)
    """The connection that failed: a command that asks an engine several times waits for it once."""

    @property
    def address(self) -> str:
        """The address of the engine, such as `unix:///var/run/docker.sock`. Raises EngineUnavailable."""
        return self.settings.host or docker_context.address()

    @property
    def canonical_address(self) -> str:
        """The address in the form that is the same for each way to write it; empty if there is none to use."""
        with contextlib.suppress(EngineUnavailable, InvalidValue):
            return parse_address(self.address).canonical
        return ""

    @property
    def selected_by(self) -> str:
        """The setting that selects the engine; empty for the default one, also where a setting names that."""
        is_default = self.canonical_address == docker_context.DEFAULT_ADDRESS
        return "" if is_default else docker_context.choose(self.settings.host).source

    @cached_property
    def client(self) -> DockerClient:
        """The SDK's client. Raises EngineUnavailable, at once if the engine has not answered before."""
        for failure in self._failures:
            raise EngineUnavailable(failure.message, hint=failure.hint)
        try:
            return connect(self.settings.host, self.answer_seconds)
        except EngineUnavailable as error:
            self._failures.append(EngineUnavailable(error.message, hint=error.hint))
            raise

    @cached_property
    def state(self) -> DockerState:
        """The containers and networks of the project."""
        return DockerState(self.client, self.state_dir, self.project, self.machine)

    @cached_property
    def machine(self) -> Machine:
        """The machine of the engine: this one, or another one, which does not see this machine's files."""
        transport = transport_to(self.settings.host)
        if not transport.address.is_remote:
            return LocalMachine()
        from deployer.engines.docker.remote.machine import RemoteMachine

        connect_anew = partial(connect, self.settings.host)
        source = self.store_dir or self.models_dir  # an image with the models inside needs no volume of its own
        return RemoteMachine(transport, self.project, source.resolve(), connect_anew, self.helper_image)

    @property
    def in_image(self) -> bool:
        """Whether the image of the settings has the models inside."""
        return self.store_dir is not None

    @property
    def mounted_dirs(self) -> tuple[Path, ...]:
        """The directories that servers mount; empty for an engine on another machine, which has other ones."""
        return () if self.machine.is_remote else (self.models_dir.resolve(), self.state_dir.resolve())

    def helper_image(self) -> str:
        """Return an image of the engine that can run a helper; empty if it has none."""
        if self.image is not None:
            return self.image.id
        with docker_errors("listing containers"):
            listed = self.client.api.containers(all=True, filters={"label": f"{LABEL}release"})
        if listed:
            return str(listed[0]["ImageID"])
        # The last server with an image that no setting names was removed, and its files are still to be.
        with docker_errors("listing images"):
            images = self.client.api.images(filters={"label": [f"{CONTENTS}models"]})
        return next((str(each["Id"]) for each in images), "")

    @cached_property
    def image(self) -> Image | None:
        """The image of new servers; None if the engine does not have it."""
        return find_image(self.client, self.settings.image)

    def forget_image(self) -> None:
        """Look the image up again on the next access, after a pull."""
        vars(self).pop("image", None)

    def deployment_dir(self, name: str, env: str) -> Path:
        """Return the directory with the configurations of a deployment's servers."""
        return self.state.deployment_dir(name, env)

    def shared_lock(self, name: str, env: str) -> EngineLock:
        """Return the lock of a deployment on the engine."""
        return EngineLock(self.client, self.project, name, env, self.image.id if self.image else "")

    def info(self) -> EngineInfo:
        """Return what the engine reports about itself."""
        with docker_errors(f"the Docker Engine at {self.address}"):
            return EngineInfo.parse(self.client.info())

    def gateways(self, name: str, env: str, directory: GatewayDir | None = None) -> GatewayContainers:
        """Return the gateway of a deployment, with its configuration and its containers."""
        record = directory or self.state.gateway_dir(name, env)
        gateway_dir = self.machine.gateway_dir(record, name, env)
        config = GatewayConfig(self.gateway, self.templates_dir, self.cors, self.machine.name)
        restart, temporary = self.settings.restart, self.temporary_gateway
        return GatewayContainers(self.state, config, name, env, gateway_dir, restart, temporary)

    def once_reachable(self, accept: Callable[[Deployment], None]) -> Callable[[Deployment], None]:
        """Return `accept` for a deployment as it was observed: it gets one that this machine reaches."""
        return lambda deployment: accept(self.machine.reachable(deployment))
