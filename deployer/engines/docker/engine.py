"""The Docker engine: model servers are containers of `tensorflow/serving`, or of a compatible image.

Two containers cannot publish one port. So the first server of a deployment starts on its final ports and is verified
there. A server that replaces another is verified on free ports and then started again on the final ones: this leaves a
gap, which the plan announces. Behind a gateway, which holds the ports, there is no gap.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

from docker.models.containers import Container

from deployer.config.docker import Docker
from deployer.config.gateway import Gateway
from deployer.config.interpolation import reveal
from deployer.engines import flags, run_dir
from deployer.engines.base import Traits, one_server_error
from deployer.engines.docker import exit_codes, listing, probe, recovery, sdk_arguments, start_files, visibility
from deployer.engines.docker.accepted import first_serving
from deployer.engines.docker.api import docker_errors, timed_lines
from deployer.engines.docker.container_spec import CONFIG_MOUNT
from deployer.engines.docker.copies import DockerCopies
from deployer.engines.docker.findings import join_paths, relabel_command
from deployer.engines.docker.gateways import DockerGateways
from deployer.engines.docker.host import DockerHost
from deployer.engines.docker.images import DockerImages, architecture_mismatch
from deployer.engines.docker.inspection import Image
from deployer.engines.docker.inventory import DockerInventory
from deployer.engines.docker.locks import DockerLocks
from deployer.engines.docker.names import MODELS_MOUNT
from deployer.engines.docker.placement import Placer, is_replaced
from deployer.engines.docker.preflight import DockerPreflight
from deployer.engines.docker.promotion import Promotion
from deployer.engines.docker.sdk_arguments import Placement, recorded_settings
from deployer.errors import EngineError, SettingRefused
from deployer.results.deployment import Deployment, Memory
from deployer.results.launch import Launch, Rendered
from deployer.results.logs import LogLine
from deployer.results.served import ServedModel, models_text
from deployer.savedmodel.op_sets import target_of_image
from deployer.system.files import chmod_command, first_unreadable, write_atomically

if TYPE_CHECKING:
    from deployer.engines.docker.model_image.engine_images import ModelImages

NAME = "docker"
CHECKED_VERSIONS = 10
"""The number of versions that are looked up in a new container; each takes some milliseconds."""


@dataclass(frozen=True)
class DockerEngine:
    """The Engine of a Docker host; configurations are stored below the host's state directory."""

    host: DockerHost

    @cached_property
    def traits(self) -> Traits:
        """The traits, from the settings alone. The store is part of the fingerprint: it is mounted at the start."""
        host = self.host
        names = sorted(host.settings.environment)  # `changed_variables` compares the values
        return Traits(
            name=NAME,
            id=self._id(),
            project=host.project,
            state_dir=host.state_dir,
            zero_downtime=host.gateway.enabled,
            can_restart=True,
            tensorflow=target_of_image(host.settings.image),
            models_mount=MODELS_MOUNT,
            image=host.settings.image,
            in_image=host.in_image,
            machine=self._machine(),
            address=host.canonical_address,
            selected_by=host.selected_by,
            fingerprint={
                **recorded_settings(host.settings, self._store),
                "environment": dict.fromkeys(names),
            },
        )

    @property
    def _store(self) -> Path | None:
        """The directory that is mounted."""
        return None if self.host.in_image else self.host.models_dir.resolve()

    def _id(self) -> str:
        """Return the engine's address, or the error that every call to the engine will raise."""
        try:
            return self.host.address
        except EngineError as error:
            return error.message

    def _machine(self) -> str:
        try:
            return self.host.machine.name
        except EngineError:
            return ""

    @cached_property
    def locks(self) -> DockerLocks:
        return DockerLocks(self.host)

    @cached_property
    def inventory(self) -> DockerInventory:
        return DockerInventory(self.host, DockerEngine)

    @cached_property
    def images(self) -> DockerImages:
        return DockerImages(self.host)

    @cached_property
    def model_images(self) -> ModelImages:
        """The images with models inside; they are built and pushed, whatever runs the deployments."""
        from deployer.engines.docker.model_image.engine_images import ModelImages

        return ModelImages(self.host)

    @cached_property
    def preflight(self) -> DockerPreflight:
        return DockerPreflight(self.host)

    @cached_property
    def copies(self) -> DockerCopies:
        return DockerCopies(self.host)

    @cached_property
    def gateways(self) -> DockerGateways:
        return DockerGateways(self.host, self.locks)

    def with_settings(self, settings: Docker, gateway: Gateway, temporary: tuple[str, ...]) -> DockerEngine:
        host = dataclasses.replace(self.host, settings=settings, gateway=gateway, temporary_gateway=temporary)
        if host == self.host:
            return self
        vars(host).update(
            {name: vars(self.host)[name] for name in ("client", "state", "machine") if name in vars(self.host)}
        )
        engine = DockerEngine(host)
        vars(engine)["locks"] = self.locks
        return engine

    def observe(self, name: str, env: str) -> Deployment | None:
        return self.host.state.serving(name, env)

    def foresee(self, name: str, env: str) -> Deployment | None:
        return self.host.state.foreseen(name, env)

    def recover(self, name: str, env: str) -> tuple[str, ...]:
        listed = self.host.state.containers(name, env)
        gateways = self.host.gateways(name, env, self.host.state.gateway_dir_of(listed, name, env))
        return recovery.Recovery(self.host.state, gateways).run(listed)

    def stage(self, launch: Launch) -> Deployment:
        """Start a candidate on the final ports if nothing serves yet, else on free ones."""
        host = self.host
        flags.check(NAME, launch.flags)
        launch = dataclasses.replace(launch, project=host.project)
        observed = host.state.sweep(launch.name, launch.env)
        placement = Placer(host.state, launch, has_gateway=host.gateway.enabled).place(
            run_dir.new_release_id(), observed
        )
        run_dir.write_config(placement.directory, launch.rendered)
        if not launch.in_image:
            host.machine.publish_config(placement.directory)
        with docker_errors(f"starting {placement.container}"):
            mounts = host.machine.mounts(host.models_dir.resolve(), placement.directory)
            arguments = sdk_arguments.candidate_arguments(launch, placement, host.settings, mounts, self._image())
            container = host.client.containers.create(**arguments)
            container.start()
        if host.mounted_dirs and not launch.in_image:
            self._check_mounts(container, launch, placement)
        return host.state.require_server(launch.name, launch.env, placement.release)

    def _image(self) -> Image:
        image = self.host.image
        if image is None:
            raise EngineError(f"the engine does not have {self.host.settings.image}", hint="run the command again")
        return image

    def _check_mounts(self, container: Container, launch: Launch, placement: Placement) -> None:
        """Raise EngineError if a container does not see the mounted directories, or may not read them."""
        host, root = self.host, self.host.models_dir.resolve()
        config_dir = placement.directory / run_dir.CONFIG_DIR
        versions = [f"{model.name}/{version}" for model in launch.models for version in model.versions]
        mounted = [(CONFIG_MOUNT, config_dir, next(iter(launch.rendered.files)))]
        visibility.check(container, mounted + [(MODELS_MOUNT, root, each) for each in versions[:CHECKED_VERSIONS]])
        for version in versions:
            path = root / version
            level = first_unreadable(path, root, probe.parse_user(host.settings.user))
            if level and not probe.may_read(host.client, host.settings, root, level):
                raise EngineError(
                    f"the server's user {host.settings.user} may not read {level}",
                    hint=f"{chmod_command(level, path)}, or set docker.user",
                )
            if visibility.is_confined(container) and not probe.may_read(host.client, host.settings, root, path):
                dirs = (root, host.state_dir.resolve())
                raise EngineError(
                    f"SELinux keeps containers from reading {join_paths(dirs)}", hint=relabel_command(dirs)
                )

    def promote(self, candidate: Deployment, seconds: float, accept: Callable[[Deployment], None]) -> Deployment:
        """Switch the gateway to the candidate, or start its container again on the final ports."""
        del seconds
        host = self.host
        self.locks.check(candidate)
        if reason := self.exit_reason(candidate):
            raise EngineError(f"the candidate cannot be promoted: {reason}")
        listed = host.state.containers(candidate.name, candidate.env)
        old = first_serving(listing.servers(listed))
        directory = host.state.gateway_dir_of(listed, candidate.name, candidate.env)
        with docker_errors(f"promoting {candidate.release}"):
            if old is not None and not old.running and (candidate.slot or not is_replaced(old)):
                self.discard(old)
                old = None
            gateways = host.gateways(candidate.name, candidate.env, directory)
            accept = host.once_reachable(accept)
            Promotion(host.state, gateways, candidate, old, accept, host.settings.restart).run()
        return host.state.require_server(candidate.name, candidate.env, candidate.release)

    def render(self, form: str, launch: Launch) -> Rendered:
        if self.host.machine.is_remote:
            raise SettingRefused(
                f"the file would mount this machine's store, which the engine at {self.host.address} does not have",
                hint="render it without docker.host, DOCKER_HOST or a docker context, for a machine that has the store",
            )
        return start_files.render(self.host, form, launch)

    def leftovers(self, name: str, env: str) -> tuple[str, ...]:
        return recovery.leftovers(self.host.state, name, env)

    def changed_variables(self, name: str, env: str) -> tuple[str, ...]:
        desired = reveal(self.host.settings.environment)
        server = self.host.state.serving(name, env) if desired else None
        return () if server is None else self.host.state.changed_variables(server, desired)

    def write_config(self, deployment: Deployment, rendered: Rendered, models: tuple[ServedModel, ...]) -> None:
        self.locks.check(deployment)
        # The directory is mounted, not the files: the container sees those that replace them.
        run_dir.begin_reload(deployment.directory, rendered, models)
        self.host.machine.publish_config(deployment.directory)

    def mark_serving(self, deployment: Deployment, models: tuple[ServedModel, ...]) -> Deployment:
        # The labels of a container cannot be changed.
        write_atomically(deployment.directory / listing.MODELS_FILE, models_text(models))
        run_dir.end_reload(deployment.directory)
        return dataclasses.replace(deployment, models=models, reloading_to=None)

    def scale(self, deployment: Deployment, replicas: int) -> Deployment:
        """Raise SettingRefused: the ports of this machine belong to one server."""
        del deployment, replicas
        raise one_server_error(NAME)

    def discard(self, deployment: Deployment) -> None:
        self.host.state.discard(deployment)

    def remove(self, name: str, env: str) -> None:
        """Drain the gateway, then remove containers, networks and configuration."""
        listed = self.host.state.containers(name, env)
        gateways = self.host.gateways(name, env, self.host.state.gateway_dir_of(listed, name, env))
        if gateways.directory.in_use or listing.gateways(listed):
            gateways.remove()
        gateways.directory.delete()
        self.host.state.remove_all(name, env, listing.servers(listed))

    def exit_reason(self, deployment: Deployment) -> str | None:
        """Return the meaning of the exit code. A container that restarts after a failure counts as ended."""
        if self.host.state.is_running(deployment):
            return None
        container_state = self.host.state.inspect_state(deployment)
        if not container_state:
            return "its container is gone"
        image = self.host.image
        return exit_codes.exit_reason(container_state, architecture_mismatch(self.host.info(), image) if image else "")

    def memory(self, deployment: Deployment) -> Memory | None:
        """Return the container's memory. Free memory is known of this machine only."""
        return self.host.state.memory(deployment, local=not self.host.machine.is_remote)

    def logs(
        self, deployment: Deployment, tail: int | None = None, *, follow: bool = False, since: float | None = None
    ) -> Iterator[LogLine]:
        with docker_errors(f"reading the log of {deployment.release}"):
            container = self.host.state.container(deployment)
            limits = {"tail": "all" if tail is None else tail, "since": None if since is None else max(since, 1.0)}
            yield from timed_lines(container.logs(stream=True, follow=follow, timestamps=True, **limits))
