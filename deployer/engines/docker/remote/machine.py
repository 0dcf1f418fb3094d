"""The machine of a Docker Engine if it is another one: a volume with models, and a helper that reaches its ports."""

from __future__ import annotations

import dataclasses
import hashlib
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from docker import DockerClient

from deployer.config.hosts import EVERY_INTERFACE, is_loopback
from deployer.engines import run_dir
from deployer.engines.docker.api import docker_errors
from deployer.engines.docker.container_spec import Bind, Mounts
from deployer.engines.docker.gateway.directory import MOUNT, GatewayDir
from deployer.engines.docker.names import LABEL, MODELS_MOUNT, PROJECT, gateway_name
from deployer.engines.docker.remote.forwarding import LOCALHOST
from deployer.engines.docker.remote.gateway_dir import VolumeGatewayDir
from deployer.engines.docker.remote.helper import Helper, live_helpers
from deployer.engines.docker.remote.models import ModelVolume
from deployer.engines.docker.remote.ports import RemotePorts
from deployer.engines.docker.remote.session import Session, session_for
from deployer.engines.docker.remote.transport import Transport
from deployer.engines.docker.remote.volume import Volume, labelled
from deployer.engines.ports import client_host
from deployer.errors import EngineError
from deployer.results.deployment import Deployment, Endpoints
from deployer.results.model import Model
from deployer.results.progress import Progress

VOLUME = f"{LABEL}volume"
HELPER_SECONDS = 600.0
"""How long the helper may take for a script: it compares digests of large files."""


@dataclass(frozen=True)
class RemoteMachine:
    """The machine behind `transport`, for the servers of one project and store.

    `connect` returns a client whose calls may take the given seconds, and `image` the image of the helper, which the
    engine must have.
    """

    transport: Transport
    project: str
    models_dir: Path
    connect: Callable[[float], DockerClient]
    image: Callable[[], str]

    is_remote = True

    @property
    def name(self) -> str:
        """The host name in the engine's address."""
        return self.transport.address.host

    @property
    def volume(self) -> str:
        """The name of the volume with the models and configurations. Each store has its own."""
        store = hashlib.sha256(str(self.models_dir).encode()).hexdigest()[:10]
        return f"deployer-{self.project}-models-{store}"

    @cached_property
    def client(self) -> DockerClient:
        """The client of the helper."""
        return self.connect(HELPER_SECONDS)

    @cached_property
    def _volume(self) -> Volume:
        labels = {PROJECT: self.project, VOLUME: "models", f"{LABEL}store": str(self.models_dir)}
        return Volume(self.client, self.volume, labels)

    @cached_property
    def _session(self) -> Session:
        return self._session_with(self._volume, MODELS_MOUNT)

    def _session_with(self, volume: Volume, mount: str) -> Session:
        """Return the session whose helper has a volume, which is created if it is missing."""

        def start() -> Helper:
            volume.create()
            return Helper.start(self.client, self.transport, self.image(), {volume.name: mount})

        return session_for(self.transport.base_url, volume.name, start)

    def _with_models(self, action: Callable[[ModelVolume], None]) -> None:
        self._session.use(lambda helper: action(ModelVolume(helper, self.name)))

    @cached_property
    def ports(self) -> RemotePorts:
        """The ports of the machine."""
        return RemotePorts(self._read_ports, self.name)

    def _read_ports(self, script: str) -> str:
        """Return what a script prints; nothing while the engine has no image for a helper."""
        return self._ports_session().run(script) if self._has_helper() else ""

    def _ports_session(self) -> Session:
        """Return the session for a look at the ports, which creates no volume: a plan or a refusal leaves nothing."""
        if self._session.is_started or self._volume.exists():
            return self._session

        def start() -> Helper:
            return Helper.start(self.client, self.transport, self.image(), {})

        return session_for(self.transport.base_url, "", start)

    def _has_helper(self) -> bool:
        """Return whether a helper runs or can be started: the engine may not have the image of the settings."""
        return self._session.is_started or bool(self.image())

    def mounts(self, models_dir: Path, release_dir: Path) -> Mounts:
        """Return the volume, which has the configuration, too: a server cannot mount a part of a volume."""
        config_dir = f"{MODELS_MOUNT}/.config/{_config_path(release_dir)}"
        return Mounts(models_dir, (Bind(self.volume, MODELS_MOUNT, "volume"),), config_dir)

    def transfer(self, models: Sequence[Model], progress: Progress) -> None:
        def copy(volume: ModelVolume) -> None:
            volume.transfer(models, set(live_helpers(self.client)), self._refuse_change, progress)

        self._with_models(copy)

    def forget(self, versions: Iterable[tuple[str, int]]) -> None:
        """Remove versions, and the volume if nothing uses it."""
        if self._volume.exists() and self._has_helper():
            links = [f"{name}/{version}" for name, version in versions]
            self._with_models(lambda volume: volume.forget(links, collect=len(set(live_helpers(self.client))) <= 1))
        self.clear()

    def publish_config(self, release_dir: Path) -> None:
        files = (release_dir / run_dir.CONFIG_DIR).iterdir()
        texts = {path.name: path.read_text(encoding="utf-8") for path in files if not path.name.startswith(".")}
        self._with_models(lambda volume: volume.publish_config(_config_path(release_dir), texts))

    def delete_config(self, release_dir: Path) -> None:
        """Remove the configuration; without an image for a helper, it goes with the volume."""
        if self._volume.exists() and self._has_helper():
            self._with_models(lambda volume: volume.delete_config(_config_path(release_dir)))

    def gateway_dir(self, directory: GatewayDir, name: str, env: str) -> GatewayDir:
        labels = {PROJECT: self.project, f"{LABEL}name": name, f"{LABEL}env": env, VOLUME: "gateway"}
        volume = Volume(self.client, gateway_name(self.project, name, env), labels)
        session = self._session_with(volume, MOUNT)

        def remove() -> None:
            if volume.exists():
                session.end()
                volume.remove()

        return VolumeGatewayDir(directory.path, volume=volume, session=session, remove=remove)

    def clear(self) -> None:
        """Remove the volumes of the project that no container uses, also those of other machines' stores."""
        if self._volume.exists():
            self._session.end()
            self._volume.remove()
        labels = {PROJECT: self.project, VOLUME: "models"}
        for volume in labelled(self.client, labels):
            volume.try_to_remove()

    def reachable(self, deployment: Deployment) -> Deployment:
        """Return a deployment with local addresses for this command's requests, and this machine's name for others."""
        route = deployment.direct_endpoints or deployment.endpoints
        scheme, _, address = route.rest.partition("://")
        host, rest_port = _split(address)
        grpc_port = _split(route.grpc)[1]
        host = client_host(deployment.host) if host == self.name else host
        rest, grpc = (self._session.forwarder.local_port(host, port) for port in (rest_port, grpc_port))
        public = deployment.host in EVERY_INTERFACE and host == client_host(deployment.host)
        name = f"[{self.name}]" if ":" in self.name else self.name
        shown = Endpoints(f"{scheme}://{name}:{rest_port}", f"{name}:{grpc_port}") if public else deployment.endpoints
        return dataclasses.replace(
            deployment,
            endpoints=shown,
            machine=self.name,
            reach=self._reach(deployment),
            forwarded=Endpoints(f"{scheme}://{LOCALHOST}:{rest}", f"{LOCALHOST}:{grpc}"),
        )

    def _reach(self, deployment: Deployment) -> str:
        """Return the command that forwards the ports of a server which only the engine's machine reaches; else none."""
        if not deployment.host or not is_loopback(deployment.host):
            return ""
        address = self.transport.address
        host = f"[{deployment.host}]" if ":" in deployment.host else deployment.host
        forwards = " ".join(f"-L {port}:{host}:{port}" for port in (deployment.rest_port, deployment.grpc_port))
        port = f"-p {address.port} " if address.user and address.port else ""
        user = f"{address.user}@" if address.user else ""
        return f"ssh -N {forwards} {port}{user}{address.host}"

    def _refuse_change(self, link: str) -> None:
        """Raise EngineError if a server may serve another version under this name and number."""
        with docker_errors("listing containers"):
            listed = self.client.api.containers(all=True, filters={"volume": self.volume, "label": f"{LABEL}name"})
        users = {f"{each['Labels'][f'{LABEL}name']} [{each['Labels'].get(f'{LABEL}env', '')}]" for each in listed}
        if len(users) > 1:
            raise EngineError(
                f"{self.name} has another {link.replace('/', ':')}, which one of {', '.join(sorted(users))} may serve",
                hint="export the model again: it gets a new version number",
            )


def _config_path(release_dir: Path) -> str:
    return "/".join(release_dir.parts[-3:])


def _split(address: str) -> tuple[str, int]:
    host, _, port = address.rpartition(":")
    return host.strip("[]"), int(port)
