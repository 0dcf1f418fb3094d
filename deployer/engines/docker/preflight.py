"""The checks of a Docker Engine before it starts a server: platform, image, models and address."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial

from deployer.engines import run_dir
from deployer.engines.base import Address
from deployer.engines.docker import findings, listing, mounts, probe, visibility
from deployer.engines.docker.api import docker_errors
from deployer.engines.docker.gateway import addresses
from deployer.engines.docker.host import DockerHost
from deployer.engines.docker.placement import check_free
from deployer.errors import EngineError
from deployer.results.checks import Finding
from deployer.results.deployment import Deployment
from deployer.results.launch import MODEL_CONFIG
from deployer.results.model import Model
from deployer.results.served import ServedModel
from deployer.savedmodel.op_sets import target_of_image


@dataclass(frozen=True)
class DockerPreflight:
    """The Preflight of a Docker Engine."""

    host: DockerHost

    def platform(self) -> tuple[Finding, ...]:
        """Check the engine, its API, the image, the gateway, and the SELinux labels of the directories."""
        host = self.host
        try:
            info = host.info()
        except EngineError as error:
            return (Finding(findings.ENGINE, "error", error.message, error.hint or ""),)
        return (
            *findings.of_engine(info, host.settings),
            *findings.of_image(host.image, info, host.settings),
            *findings.of_api(host.client.api.api_version, host.settings),
            *findings.of_config(),
            *findings.of_selinux(info, host.mounted_dirs),
            *findings.of_gateway(host.client, info, host.gateway),
        )

    def models(self, models: Sequence[Model]) -> tuple[Finding, ...]:
        """Check the models with a container of the image; by the image's name alone if the engine does not have it."""
        from deployer.engines import compatibility

        host = self.host
        target = target_of_image(host.settings.image)
        if host.image is None:
            return tuple(compatibility.findings(target, models))
        unseen = tuple(visibility.findings(host.client, host.settings.image, host.mounted_dirs))
        if unseen or not models:
            return (*unseen, *compatibility.findings(target, models))
        mounted = host.models_dir if host.mounted_dirs else None
        return tuple(probe.findings(host.client, host.settings, mounted, models))

    def address(self, name: str, env: str, address: Address) -> None:
        ports = self.host.machine.ports
        requested = [port for port in (address.rest_port, address.grpc_port) if port]
        own_ports = listing.held_ports(self.host.state.containers(name, env)) if requested else ()
        for port in requested:
            if port not in own_ports:
                check_free(self.host.client, ports, address.host, port)
        ports.check_host(address.host)
        if self.host.gateway.enabled:
            observed = self.host.state.serving(name, env)
            must_be_free = partial(check_free, self.host.client, ports)
            addresses.check(self.host.gateway, address, observed, ports.first_unprivileged(), must_be_free)

    def reload(self, deployment: Deployment, models: tuple[ServedModel, ...]) -> str:
        if not self.host.mounted_dirs:
            return ""  # what it needs is copied before it is told
        if deployment.paused:
            return ""  # no command runs in it; a change resumes it first
        config = deployment.directory / run_dir.CONFIG_DIR / MODEL_CONFIG
        with docker_errors(f"looking into {deployment.release}"):
            container = self.host.state.container(deployment)
            if container.status != "running":
                return ""  # a killed change stopped it: the next one starts it, and that mounts the directories again
            return mounts.stale(container, self.host.models_dir.resolve(), config, models)
