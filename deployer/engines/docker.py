"""The Docker engine: model servers are containers of `tensorflow/serving`, or of an image that keeps its contract.

Two containers cannot publish one port. So the first server of a deployment is started on its final ports and proven
there, where nobody expects it yet; a server that replaces another is proven on free ports and then started again on the
final ones: until a gateway holds the ports, that is a gap, and the plan says so.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from deployer.deployment import Deployment, Launch, NamedImage, Rendered, ServedModel, models_text
from deployer.engines import (
    autopsy,
    containers,
    docker_context,
    engine_lock,
    fitness,
    flags,
    loading,
    ports,
    probe,
    run_folder,
)
from deployer.engines.base import CANDIDATE, SERVING, Address
from deployer.engines.blueprint import GRPC_PORT, LABEL, MODELS_MOUNT, REST_PORT, container_name
from deployer.engines.containers import Image, Placement
from deployer.engines.docker_api import connect, docker_errors, lines
from deployer.engines.engine_lock import EngineLock
from deployer.engines.pulling import pull
from deployer.errors import EngineError, EngineUnavailable, PortTaken
from deployer.files import write_atomically
from deployer.locks import holder
from deployer.model import Model
from deployer.op_sets import Target, of_image
from deployer.owners import Owner
from deployer.report import Finding
from deployer.spec import Docker
from deployer.wait import Deadline

STOP_SECONDS = 10
NOT_OF_A_SERVER = ("host", "pull_seconds")
"""Settings that say where and how a container is made, and not what it is."""


@dataclass(frozen=True)
class DockerEngine:
    """Runs containers on the engine that DOCKER_HOST or `docker context` names; configs lie below `state_dir`."""

    state_dir: Path
    models_dir: Path
    settings: Docker
    name: str = "docker"

    def check(self) -> tuple[Finding, ...]:
        """See Engine.check."""
        try:
            info = self._client.info()
        except EngineUnavailable as error:
            return (Finding(fitness.ENGINE, "error", error.message, error.hint or ""),)
        return (*fitness.of_engine(info, self.settings), *fitness.of_image(self._image, info, self.settings))

    def examine(self, models: Sequence[Model]) -> tuple[Finding, ...]:
        """See Engine.examine: by a container of the image, where the engine has it, else by the image's name."""
        if not models or self._image is None:
            return tuple(loading.findings(self.tensorflow, models))
        return tuple(probe.findings(self._client, self.settings, self.models_dir, models))

    @property
    def place(self) -> str:
        """See Engine.place: the engine's address."""
        return self.settings.host or docker_context.address()

    @property
    def tensorflow(self) -> Target | None:
        """See Engine.tensorflow: told by the image's name."""
        return of_image(self.settings.image)

    def traits(self) -> object:
        """See Engine.traits."""
        return {name: value for name, value in asdict(self.settings).items() if name not in NOT_OF_A_SERVER}

    def image(self) -> NamedImage | None:
        """See Engine.image."""
        return None if self._image is None else NamedImage(self.settings.image, str(self._image.id))

    @property
    def seamless(self) -> bool:
        """Not before a gateway holds the ports."""
        return False

    def prepare(self, progress: Callable[[str], None]) -> None:
        """See Engine.prepare: the image, pulled where it is missing."""
        settings = self.settings
        if self._image is None:
            with docker_errors(f"pulling {settings.image}"):
                pull(self._client, settings.image, settings.platform, settings.pull_seconds, progress)
            vars(self).pop("_image")

    def check_address(self, name: str, env: str, address: Address) -> None:
        """See Engine.check_address."""
        wanted = [port for port in (address.rest_port, address.grpc_port) if port]
        observed = self.observe(name, env) if wanted else None
        ours = (observed.rest_port, observed.grpc_port) if observed and observed.running else ()
        for port in wanted:
            if port not in ours:
                self._check_free(address.host, port)

    def models_root(self, models_dir: Path) -> str:
        """Where the store is mounted in every container."""
        del models_dir
        return MODELS_MOUNT

    @contextmanager
    def lock(self, name: str, env: str, wait_seconds: float) -> Iterator[None]:
        """See Engine.lock. This working copy's own comes first: it costs nothing; then the engine's, where all meet."""
        deadline = Deadline.after(wait_seconds)
        with (
            run_folder.locked(self._home(name, env), name, env, wait_seconds),
            self._engine_lock(name, env).hold(deadline.remaining),
        ):
            yield

    def lock_owner(self, name: str, env: str) -> Owner | None:
        """See Engine.lock_owner."""
        held = self._engine_lock(name, env).look()
        return held.owner if held else holder(self._home(name, env))

    def unlock(self, name: str, env: str) -> None:
        """See Engine.unlock."""
        run_folder.end_holder(self._home(name, env), name, env)
        self._engine_lock(name, env).take_away()

    def observe(self, name: str, env: str) -> Deployment | None:
        """See Engine.observe."""
        return next((found for found in self._listed(name, env) if found.role == SERVING), None)

    def observe_all(self) -> tuple[Deployment, ...]:
        """See Engine.observe_all: one call, however many there are."""
        serving = (found for found in self._listed() if found.role == SERVING)
        return tuple(sorted(serving, key=lambda found: (found.env, found.name)))

    def names(self) -> tuple[tuple[str, str], ...]:
        """See Engine.names."""
        seen = {(found.name, found.env) for found in self._listed()}
        with docker_errors("listing networks"):
            networks = self._client.api.networks(filters=_filters(None, None))
        seen |= {(network["Labels"][f"{LABEL}name"], network["Labels"].get(f"{LABEL}env", "")) for network in networks}
        seen |= engine_lock.names(self._client)
        seen |= {(home.name, home.parent.name) for home in (self.state_dir / "docker").glob("*/*")}
        return tuple(sorted(seen))

    def sweep(self, name: str, env: str) -> None:
        """See Engine.sweep."""
        self._swept(name, env)

    def recover(self, name: str, env: str) -> tuple[str, ...]:
        """See Engine.recover."""
        left = [found.release for found in self._listed(name, env) if found.role == CANDIDATE]
        self.sweep(name, env)
        return tuple(f"the candidate {release} that a killed command left is removed" for release in left)

    def stage(self, launch: Launch) -> Deployment:
        """See Engine.stage: on the final ports where nothing serves yet, on free ones beside a server that does."""
        for flag, _ in launch.flags:
            flags.known(flag)
        observed = self._swept(launch.name, launch.env)
        release = run_folder.new_release_id()
        place = self._place(launch, release, observed if observed and observed.running else None)
        run_folder.write_config(place.folder, launch.rendered)
        with docker_errors(f"starting {place.container}"):
            self._ensure_network(launch, place)
            wanted = containers.creation(launch, place, self.settings, self.models_dir.resolve(), self._known_image())
            self._client.containers.create(**wanted).start()
        return self._known(launch.name, launch.env, release)

    def alive(self, deployment: Deployment) -> bool:
        """See Engine.alive. A container that restarts after a failure counts as gone."""
        import docker.errors

        with docker_errors(f"looking at {deployment.release}"):
            try:
                return self._container(deployment).status in ("running", "created")
            except docker.errors.NotFound:
                return False

    def autopsy(self, deployment: Deployment) -> str:
        """See Engine.autopsy."""
        state = self._state(deployment)
        if not state:
            return "its container is gone"
        found = self._image
        return autopsy.cause(state, fitness.mismatch(self._client.info(), found) if found else "")

    def promote(self, candidate: Deployment, seconds: float, accept: Callable[[Deployment], None]) -> Deployment:
        """See Engine.promote."""
        del seconds
        if not self.alive(candidate):
            raise EngineError(f"the candidate cannot be promoted: {self.autopsy(candidate)}")
        old = self.observe(candidate.name, candidate.env)
        serving = container_name(candidate.name, candidate.env)
        with docker_errors(f"promoting {candidate.release}"):
            if old is not None and not old.running:
                self.discard(old)
                old = None
            if old is None:
                accept(candidate)  # on its final ports since it was staged
                self._container(candidate).rename(serving)
            else:
                self._replace(old, candidate, accept)
            self._container(candidate).update(restart_policy={"Name": self.settings.restart})
        return self._known(candidate.name, candidate.env, candidate.release)

    def configure(self, deployment: Deployment, rendered: Rendered, models: tuple[ServedModel, ...]) -> None:
        """See Engine.configure. The folder is mounted, not the file: a renamed file is seen inside."""
        run_folder.begin_reload(deployment.folder, rendered, models)

    def relabel(self, deployment: Deployment, models: tuple[ServedModel, ...]) -> Deployment:
        """See Engine.relabel."""
        write_atomically(deployment.folder / containers.MODELS_FILE, models_text(models))
        run_folder.end_reload(deployment.folder)
        return self._known(deployment.name, deployment.env, deployment.release)

    def discard(self, deployment: Deployment) -> None:
        """See Engine.discard."""
        self._take_away(deployment)
        self._clear_unused(deployment.name, deployment.env, self._listed(deployment.name, deployment.env))

    def remove(self, name: str, env: str) -> None:
        """See Engine.remove: containers, network and config."""
        for found in self._listed(name, env):
            self._take_away(found)
        self._clear_unused(name, env, ())

    def logs(self, deployment: Deployment, tail: int | None = None, *, follow: bool = False) -> Iterator[str]:
        """See Engine.logs."""
        with docker_errors(f"reading the log of {deployment.release}"):
            container = self._container(deployment)
            chunks = container.logs(stream=True, follow=follow, tail="all" if tail is None else tail)
            yield from lines(chunks)

    @cached_property
    def _client(self) -> Any:
        return connect(self.settings.host)

    @cached_property
    def _image(self) -> Any:
        """The image of new servers as the engine has it, or None."""
        return fitness.image(self._client, self.settings.image)

    def _engine_lock(self, name: str, env: str) -> EngineLock:
        return EngineLock(self._client, name, env, str(self._image.id) if self._image else "")

    def _known_image(self) -> Image:
        found = self._image
        if found is None:
            raise EngineError(f"the engine does not have {self.settings.image}", hint="run the command again")
        return Image(str(found.id), tuple(found.attrs.get("RepoDigests") or ()))

    def _home(self, name: str, env: str) -> Path:
        return self.state_dir / "docker" / env / name

    def _listed(self, name: str | None = None, env: str | None = None) -> list[Deployment]:
        with docker_errors("listing containers"):
            listed = self._client.api.containers(all=True, filters=_filters(name, env))
        found = []
        for container in listed:
            with contextlib.suppress(KeyError, ValueError, TypeError):
                found.append(containers.deployment(container))
        return found

    def _known(self, name: str, env: str, release: str) -> Deployment:
        for found in self._listed(name, env):
            if found.release == release:
                return found
        raise EngineError(f"the container of release {release} is gone", hint="run the command again")

    def _serving(self, labels: dict[str, str]) -> Deployment:
        found = self.observe(labels[f"{LABEL}name"], labels[f"{LABEL}env"])
        if found is None:
            raise EngineError(f"the container of {labels[f'{LABEL}name']} is gone", hint="run the command again")
        return found

    def _swept(self, name: str, env: str) -> Deployment | None:
        """What serves, once all else of that name is gone."""
        listed = self._listed(name, env)
        for found in listed:
            if found.role == CANDIDATE:
                self._take_away(found)
        serving = [found for found in listed if found.role == SERVING]
        self._clear_unused(name, env, serving)
        return next(iter(serving), None)

    def _take_away(self, deployment: Deployment) -> None:
        import docker.errors

        with docker_errors(f"removing {deployment.release}"), contextlib.suppress(docker.errors.NotFound):
            container = self._container(deployment)
            container.stop(timeout=STOP_SECONDS)
            container.remove(force=True)

    def _container(self, deployment: Deployment) -> Any:
        """As the engine lists it: what only an inspection tells is there after `reload`."""
        import docker.errors

        wanted = {"label": [f"{LABEL}release={deployment.release}", f"{LABEL}name={deployment.name}"]}
        found = self._client.containers.list(all=True, filters=wanted, sparse=True)
        if not found:
            raise docker.errors.NotFound(f"no container of release {deployment.release}")
        return found[0]

    def _state(self, deployment: Deployment) -> dict[str, Any]:
        import docker.errors

        with docker_errors(f"looking at {deployment.release}"):
            try:
                container = self._container(deployment)
                container.reload()
                return dict(container.attrs["State"])
            except docker.errors.NotFound:
                return {}

    def _place(self, launch: Launch, release: str, old: Deployment | None) -> Placement:
        self._refuse_strangers(container_name(launch.name, launch.env))
        rest = self._port(launch.host, launch.rest_port, REST_PORT, old.rest_port if old else None)
        grpc = self._port(launch.host, launch.grpc_port, GRPC_PORT, old.grpc_port if old else None)
        return Placement(
            release=release,
            container=container_name(launch.name, launch.env, release),
            network=container_name(launch.name, launch.env),
            folder=(self._home(launch.name, launch.env) / release).resolve(),
            rest_port=rest,
            grpc_port=grpc,
            own_rest_port=_any_port(launch.host) if old else rest,
            own_grpc_port=_any_port(launch.host) if old else grpc,
        )

    def _port(self, host: str, wanted: int | None, usual: int, there: int | None) -> int:
        """A definite port: one that Docker chose would change whenever the container restarts."""
        if there is not None and wanted in (None, 0, there):
            return there
        if wanted:
            self._check_free(host, wanted)
            return wanted
        return (ports.first_free(host, usual) if wanted is None else 0) or _any_port(host)

    def _check_free(self, host: str, port: int) -> None:
        with docker_errors("listing containers"):
            listed = self._client.api.containers(filters={"publish": str(port)})
        if listed:
            name = listed[0]["Names"][0].lstrip("/")
            raise PortTaken(
                f"port {port} is taken by the container {name}", hint="choose another, or 0 for any free one"
            )
        ports.check_free(host, port)

    def _refuse_strangers(self, name: str) -> None:
        """A container of our name without our labels is somebody's: never touched."""
        with docker_errors("listing containers"):
            listed = self._client.api.containers(all=True, filters={"name": f"^/{name}$"})
        if any(f"{LABEL}release" not in container["Labels"] for container in listed):
            raise EngineError(
                f"there is a container {name} that is not deployer's", hint="rename it, or choose another --name"
            )

    def _ensure_network(self, launch: Launch, place: Placement) -> None:
        if not self._client.networks.list(filters=_filters(launch.name, launch.env)):
            labels = {f"{LABEL}name": launch.name, f"{LABEL}env": launch.env}
            self._client.api.create_network(place.network, driver="bridge", labels=labels, check_duplicate=True)

    def _clear_unused(self, name: str, env: str, left: Iterable[Deployment]) -> None:
        """Config folders of containers that are gone, and the network when none is left."""
        used = {found.folder for found in left}
        for folder in run_folder.releases(self._home(name, env)):
            if folder.resolve() not in used:
                run_folder.delete(folder)
        if not used:
            self._remove_network(name, env)

    def _remove_network(self, name: str, env: str) -> None:
        with docker_errors(f"removing the network of {name} [{env}]"):
            for network in self._client.networks.list(filters=_filters(name, env)):
                network.remove()

    def _replace(self, old: Deployment, candidate: Deployment, accept: Callable[[Deployment], None]) -> None:
        """Start the proven server again on the ports of the old one; when that fails, the old one is started again."""
        serving = container_name(old.name, old.env)
        before, proven = self._container(old), self._container(candidate)
        proven.reload()
        before.stop(timeout=STOP_SECONDS)
        before.rename(container_name(old.name, old.env, old.release))
        try:
            self._move(proven, serving, accept)
        except BaseException:
            before.rename(serving)
            before.start()
            raise
        proven.remove(force=True)
        self.discard(old)

    def _move(self, proven: Any, name: str, accept: Callable[[Deployment], None]) -> None:
        config, host = containers.moved(proven.attrs)
        networks: dict[str, Any] = {"EndpointsConfig": {name: {}}}
        created = self._client.api.create_container_from_config(
            {**config, "HostConfig": host, "NetworkingConfig": networks}, name
        )
        try:
            self._client.api.start(created["Id"])
            accept(self._serving(config["Labels"]))
        except BaseException:
            self._client.api.remove_container(created["Id"], force=True)
            raise


def _any_port(host: str) -> int:
    held = ports.hold(host, 0)
    ports.release([held])
    return held.port


def _filters(name: str | None, env: str | None) -> dict[str, list[str]]:
    wanted = [f"{LABEL}name={name}" if name else f"{LABEL}name"]
    return {"label": wanted + ([f"{LABEL}env={env}"] if env else [])}
