"""The Docker engine: model servers are containers of `tensorflow/serving`, or of an image that keeps its contract.

Two containers cannot publish one port. So the first server of a deployment is started on its final ports and proven
there, where nobody expects it yet; a server that replaces another is proven on free ports and then started again on the
final ones. That is a gap, and the plan says so; with a gateway that holds the ports there is none.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field, replace
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from deployer.config.project import FALLBACK
from deployer.config.spec import Docker, Gateway
from deployer.engines import ports, run_folder
from deployer.engines.base import SERVING, Address
from deployer.engines.docker import autopsy, engine_lock, fitness, listing, networks
from deployer.engines.docker import context as docker_context
from deployer.engines.docker.api import API_SECONDS, connect, docker_errors, lines
from deployer.engines.docker.engine_lock import EngineLock, Holding
from deployer.engines.docker.gateway.fronting import Gateways
from deployer.engines.docker.gateway.home import Home
from deployer.engines.docker.gateway.wanted import Wanted
from deployer.engines.docker.names import LABEL, MODELS_MOUNT
from deployer.engines.docker.ownership import is_started_by_us, project_of
from deployer.engines.docker.pulling import pull, tagged
from deployer.engines.docker.recovering import Recovery
from deployer.engines.docker.world import World, first_serving
from deployer.errors import EngineError
from deployer.results.checks import Finding
from deployer.results.deployment import (
    MODEL_CONFIG,
    Deployment,
    Launch,
    Memory,
    NamedImage,
    Rendered,
    ServedModel,
    models_text,
)
from deployer.results.model import Model
from deployer.system.files import closed_level, opening, write_atomically
from deployer.system.locks import holder
from deployer.system.owners import Owner
from deployer.system.wait import Deadline

if TYPE_CHECKING:
    from deployer.engines.docker.containers import Image
    from deployer.savedmodel.op_sets import Target

NOT_OF_A_SERVER = ("host", "pull_seconds")
"""Settings that say where and how a container is made, and not what it is."""

LOOKED_AT = 10
"""Versions that a container is asked for: they are in one folder, and each takes some milliseconds."""


@dataclass(frozen=True)
class DockerEngine:
    """Runs containers on the engine that DOCKER_HOST or `docker context` names; configs lie below `state_dir`.

    It may take `patience` seconds for each answer.
    """

    state_dir: Path
    models_dir: Path
    settings: Docker
    gateway: Gateway = field(default_factory=Gateway)
    templates_dir: Path | None = None
    cors: bool = False
    project: str = FALLBACK
    name: str = "docker"
    patience: float = API_SECONDS

    def check(self) -> tuple[Finding, ...]:
        """See Engine.check."""
        try:
            info = self._info()
        except EngineError as error:
            return (Finding(fitness.ENGINE, "error", error.message, error.hint or ""),)
        found = (*fitness.of_engine(info, self.settings), *fitness.of_image(self._image, info, self.settings))
        found += (*fitness.of_api(self._client.api.api_version, self.settings), *fitness.of_config())
        found += tuple(fitness.of_selinux(info, (self.models_dir.resolve(), self.state_dir.resolve())))
        return (*found, *fitness.of_gateway(self._client, info, self.gateway))

    def examine(self, models: Sequence[Model]) -> tuple[Finding, ...]:
        """See Engine.examine: by a container of the image, where the engine has it, else by the image's name."""
        from deployer.engines import loading
        from deployer.engines.docker import probe, visibility

        if self._image is None:
            return tuple(loading.findings(self.tensorflow, models))
        unseen = tuple(visibility.findings(self._client, self.settings.image, (self.models_dir, self.state_dir)))
        if unseen or not models:
            return (*unseen, *loading.findings(self.tensorflow, models))
        return tuple(probe.findings(self._client, self.settings, self.models_dir, models))

    @property
    def place(self) -> str:
        """See Engine.place: the engine's address."""
        return self.settings.host or docker_context.address()

    @property
    def tensorflow(self) -> Target | None:
        """See Engine.tensorflow: told by the image's name."""
        from deployer.savedmodel.op_sets import of_image

        return of_image(self.settings.image)

    def traits(self) -> object:
        """See Engine.traits. A server that has another store mounted would not find a version of this one."""
        settings = {name: value for name, value in asdict(self.settings).items() if name not in NOT_OF_A_SERVER}
        return {**settings, "store": str(self.models_dir.resolve())}

    def image(self) -> NamedImage | None:
        """See Engine.image."""
        return NamedImage(self.settings.image, "" if self._image is None else str(self._image.id))

    def images(self, names: Collection[str]) -> Mapping[str, NamedImage]:
        """See Engine.images: one call, however many there are."""
        ids = fitness.tags(self._client, [tagged(name) for name in names]) if names else {}
        return {name: NamedImage(name, ids[tag]) for name in names if (tag := tagged(name)) in ids}

    @property
    def seamless(self) -> bool:
        """With a gateway that holds the ports."""
        return self.gateway.enabled

    @property
    def revives(self) -> bool:
        """A container stays until it is removed."""
        return True

    def front(self, name: str, env: str, host: str) -> str:
        """See Engine.front."""
        if not self.gateway.enabled:
            return ""
        gateways = self._gateways(name, env)
        return gateways.wanted.digest(gateways.home, host)

    def refront(self, deployment: Deployment, accept: Callable[[Deployment], None]) -> Deployment:
        """See Engine.refront."""
        from deployer.engines.docker.promoting import Promotion

        self._check_lock(deployment)
        gateways = self._gateways(deployment.name, deployment.env)
        with docker_errors(f"replacing the gateway of {deployment.name}"):
            Promotion(self._world, gateways, deployment, deployment, accept, self.settings.restart).renew_gateway()
        return self._world.known(deployment.name, deployment.env, deployment.release)

    def prepare(self, progress: Callable[[str], None]) -> None:
        """See Engine.prepare: the images, pulled where they are missing."""
        settings = self.settings
        if self._image is None:
            self._pull(settings.image, progress)
            vars(self).pop("_image")
        if self.gateway.enabled and fitness.image(self._client, self.gateway.image) is None:
            self._pull(self.gateway.image, progress)

    def _pull(self, image: str, progress: Callable[[str], None]) -> None:
        with docker_errors(f"pulling {image}"):
            pull(self._client, image, self.settings.platform, self.settings.pull_seconds, progress)

    def check_address(self, name: str, env: str, address: Address) -> None:
        """See Engine.check_address."""
        from deployer.engines.docker.placing import check_free

        wanted = [port for port in (address.rest_port, address.grpc_port) if port]
        ours = listing.held(self._world.containers(name, env)) if wanted else ()
        for port in wanted:
            if port not in ours:
                check_free(self._client, address.host, port)

    def astray(self, deployment: Deployment, models: tuple[ServedModel, ...]) -> str:
        """See Engine.astray."""
        from deployer.engines.docker import mounts

        config = deployment.folder / run_folder.CONFIG_FOLDER / MODEL_CONFIG
        with docker_errors(f"looking into {deployment.release}"):
            return mounts.stale(self._world.container(deployment), self.models_dir.resolve(), config, models)

    def holder(self, port: int) -> str:
        """See Engine.holder."""
        from deployer.engines.docker.placing import publisher

        return publisher(self._client, port) or ports.holder(port)

    def models_root(self, models_dir: Path) -> str:
        """Where the store is mounted in every container."""
        del models_dir
        return MODELS_MOUNT

    @contextmanager
    def lock(self, name: str, env: str, wait_seconds: float) -> Iterator[None]:
        """See Engine.lock. This working copy's own comes first: it costs nothing; then the engine's, where all meet."""
        deadline = Deadline.after(wait_seconds)
        with (
            run_folder.locked(self._world.home(name, env), name, env, wait_seconds),
            self._engine_lock(name, env).hold(deadline.remaining) as holding,
        ):
            self._holdings[name, env] = holding
            try:
                yield
            finally:
                del self._holdings[name, env]

    def lock_owner(self, name: str, env: str) -> Owner | None:
        """See Engine.lock_owner."""
        held = self._engine_lock(name, env).look()
        return held.owner if held else holder(self._world.home(name, env))

    def unlock(self, name: str, env: str) -> None:
        """See Engine.unlock."""
        run_folder.end_holder(self._world.home(name, env), name, env)
        self._engine_lock(name, env).take_away()

    def observe(self, name: str, env: str) -> Deployment | None:
        """See Engine.observe."""
        return self._world.serving(name, env)

    def observe_all(self) -> tuple[Deployment, ...]:
        """See Engine.observe_all: one call, however many there are."""
        found = sorted(self._world.servers(), key=lambda each: (each.env, each.name, each.running))
        serving = {(each.env, each.name): each for each in found if each.role == SERVING}
        return tuple(serving.values())

    def names(self) -> tuple[tuple[str, str], ...]:
        """See Engine.names."""
        with docker_errors("listing networks"):
            listed = self._client.api.networks(filters=networks.labelled(None, None))
        owns = self._world.owner.owns_network
        labels = [each["Labels"] for each in self._world.containers()]
        labels += [each["Labels"] for each in listed if owns(each["Labels"], each["Name"])]
        seen = {(each[f"{LABEL}name"], each[f"{LABEL}env"]) for each in labels}
        seen |= engine_lock.names(self._client, self.project)
        folders = run_folder.homes(self.state_dir / "docker") if self.project else ()
        seen |= {(name, env) for project, name, env in folders if project in ("", self.project)}
        return tuple(sorted(seen))

    def others(self) -> tuple[DockerEngine, ...]:
        """See Engine.others."""
        owner = self._world.owner
        listed = [found for found in self._world.listed() if is_started_by_us(found) and not owner.claimed(found)]
        projects = {project for project in map(project_of, listed) if project not in (None, self.project)}
        known = sorted(project for project in projects if project is not None)
        return tuple(replace(self, project=project) for project in known)

    def lost(self, name: str | None = None, env: str | None = None) -> tuple[Deployment, ...]:
        """See Engine.lost: a container has its labels itself."""
        del name, env
        return ()

    def strangers(self, name: str | None = None, env: str | None = None) -> tuple[str, ...]:
        """See Engine.strangers."""
        return self._world.strangers(name, env)

    def sweep(self, name: str, env: str) -> None:
        """See Engine.sweep."""
        self._world.sweep(name, env)

    def recover(self, name: str, env: str) -> tuple[str, ...]:
        """See Engine.recover."""
        listed = self._world.containers(name, env)
        gateways = self._gateways(name, env, self._world.home_of(listed, name, env))
        return Recovery(self._world, gateways).carry_out(listed)

    def stage(self, launch: Launch) -> Deployment:
        """See Engine.stage: on the final ports where nothing serves yet, on free ones beside a server that does."""
        from deployer.engines import flags
        from deployer.engines.docker import containers
        from deployer.engines.docker.placing import Placing

        flags.check(self.name, launch.flags)
        launch = replace(launch, project=self.project)
        observed = self._world.sweep(launch.name, launch.env)
        placing = Placing(self._world, launch, gated=self.gateway.enabled)
        place = placing.place(run_folder.new_release_id(), observed)
        run_folder.write_config(place.folder, launch.rendered)
        with docker_errors(f"starting {place.container}"):
            wanted = containers.creation(launch, place, self.settings, self.models_dir.resolve(), self._known_image())
            container = self._client.containers.create(**wanted)
            container.start()
        self._check_folders(container, launch, place.folder)
        return self._world.known(launch.name, launch.env, place.release)

    def _check_folders(self, container: Any, launch: Launch, folder: Path) -> None:
        """That a container sees what is here, and may read it. Raises EngineError."""
        from deployer.engines.docker import probe, visibility
        from deployer.engines.docker.blueprint import CONFIG_MOUNT

        config, root = folder / run_folder.CONFIG_FOLDER, self.models_dir.resolve()
        versions = [f"{model.name}/{version}" for model in launch.models for version in model.versions]
        looked = [(CONFIG_MOUNT, config, next(iter(launch.rendered.files)))]
        visibility.check(container, looked + [(MODELS_MOUNT, root, version) for version in versions[:LOOKED_AT]])
        for version in versions:
            level = closed_level(root / version, root, probe.ids(self.settings.user))
            if level and not probe.may_read(self._client, self.settings, root, level):
                raise EngineError(
                    f"the server's user {self.settings.user} may not read {level}",
                    hint=f"{opening(level, root / version)}, or set docker.user",
                )
            if visibility.is_confined(container) and not probe.may_read(
                self._client, self.settings, root, root / version
            ):
                folders = (root, self.state_dir.resolve())
                raise EngineError(
                    f"SELinux keeps containers from reading {fitness.listed(folders)}", hint=fitness.labelling(folders)
                )

    def alive(self, deployment: Deployment) -> bool:
        """See Engine.alive. A container that restarts after a failure counts as gone."""
        return self._world.alive(deployment)

    def autopsy(self, deployment: Deployment) -> str:
        """See Engine.autopsy."""
        state = self._world.state(deployment)
        if not state:
            return "its container is gone"
        found = self._image
        return autopsy.cause(state, fitness.mismatch(self._info(), found) if found else "")

    def memory(self, deployment: Deployment) -> Memory | None:
        """See Engine.memory. What is free is known of this machine, and of no other."""
        return self._world.memory(deployment, here=self.place.startswith("unix://"))

    def promote(self, candidate: Deployment, seconds: float, accept: Callable[[Deployment], None]) -> Deployment:
        """See Engine.promote."""
        from deployer.engines.docker.promoting import Promotion

        del seconds
        self._check_lock(candidate)
        if not self.alive(candidate):
            raise EngineError(f"the candidate cannot be promoted: {self.autopsy(candidate)}")
        listed = self._world.containers(candidate.name, candidate.env)
        old = first_serving(listing.servers(listed))
        home = self._world.home_of(listed, candidate.name, candidate.env)
        with docker_errors(f"promoting {candidate.release}"):
            if old is not None and not old.running:
                self.discard(old)
                old = None
            gateways = self._gateways(candidate.name, candidate.env, home)
            Promotion(self._world, gateways, candidate, old, accept, self.settings.restart).carry_out()
        return self._world.known(candidate.name, candidate.env, candidate.release)

    def configure(self, deployment: Deployment, rendered: Rendered, models: tuple[ServedModel, ...]) -> None:
        """See Engine.configure. The folder is mounted, not the file: a renamed file is seen inside."""
        self._check_lock(deployment)
        run_folder.begin_reload(deployment.folder, rendered, models)

    def relabel(self, deployment: Deployment, models: tuple[ServedModel, ...]) -> Deployment:
        """See Engine.relabel."""
        write_atomically(deployment.folder / listing.MODELS_FILE, models_text(models))
        run_folder.end_reload(deployment.folder)
        return replace(deployment, models=models, under_way=None)

    def discard(self, deployment: Deployment) -> None:
        """See Engine.discard."""
        self._world.discard(deployment)

    def remove(self, name: str, env: str) -> None:
        """See Engine.remove: the gateway lets requests in flight end first; then containers, networks and config."""
        listed = self._world.containers(name, env)
        gateways = self._gateways(name, env, self._world.home_of(listed, name, env))
        if gateways.home.path.exists() or listing.gateways(listed):
            gateways.remove()
        self._world.remove_all(name, env, listing.servers(listed))

    def logs(self, deployment: Deployment, tail: int | None = None, *, follow: bool = False) -> Iterator[str]:
        """See Engine.logs."""
        with docker_errors(f"reading the log of {deployment.release}"):
            container = self._world.container(deployment)
            chunks = container.logs(stream=True, follow=follow, tail="all" if tail is None else tail)
            yield from lines(chunks)

    @cached_property
    def _client(self) -> Any:
        return connect(self.settings.host, self.patience)

    def _info(self) -> Mapping[str, Any]:
        with docker_errors(f"the Docker Engine at {self.place}"):
            return dict(self._client.info())

    @cached_property
    def _image(self) -> Any:
        """The image of new servers as the engine has it, or None."""
        return fitness.image(self._client, self.settings.image)

    @cached_property
    def _holdings(self) -> dict[tuple[str, str], Holding]:
        return {}

    def _check_lock(self, deployment: Deployment) -> None:
        holding = self._holdings.get((deployment.name, deployment.env))
        if holding is not None:
            holding.check()

    def _engine_lock(self, name: str, env: str) -> EngineLock:
        return EngineLock(self._client, self.project, name, env, str(self._image.id) if self._image else "")

    def _known_image(self) -> Image:
        from deployer.engines.docker.containers import Image

        found = self._image
        if found is None:
            raise EngineError(f"the engine does not have {self.settings.image}", hint="run the command again")
        return Image(str(found.id), tuple(found.attrs.get("RepoDigests") or ()))

    @cached_property
    def _world(self) -> World:
        return World(self._client, self.state_dir, self.project)

    def _gateways(self, name: str, env: str, home: Home | None = None) -> Gateways:
        known = home or self._world.gateway_home(name, env)
        wanted = Wanted(self.gateway, self.templates_dir, self.cors)
        return Gateways(self._world, wanted, name, env, known, self.settings.restart)
