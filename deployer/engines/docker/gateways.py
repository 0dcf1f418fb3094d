"""The gateways in front of the deployments of a Docker Engine."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from deployer.engines.docker.api import docker_errors
from deployer.engines.docker.host import DockerHost
from deployer.engines.docker.locks import DockerLocks
from deployer.engines.docker.promotion import Promotion
from deployer.results.deployment import Deployment


@dataclass(frozen=True)
class DockerGateways:
    """The Gateways of a Docker Engine: one container of HAProxy for each deployment."""

    host: DockerHost
    locks: DockerLocks

    def digest(self, name: str, env: str, host: str) -> str:
        if not self.host.gateway.enabled:
            return ""
        gateways = self.host.gateways(name, env)
        return gateways.config.digest(gateways.directory, host)

    def new_certificate(self, name: str, env: str, host: str) -> Path | None:
        gateways = self.host.gateways(name, env)
        return gateways.config.new_certificate(gateways.directory, host) if self.host.gateway.enabled else None

    def self_signed(self, name: str, env: str) -> Path | None:
        path = self.host.state.gateway_dir(name, env).self_signed
        return path if path.is_file() else None

    def replace(self, deployment: Deployment, accept: Callable[[Deployment], None]) -> Deployment:
        """Start a gateway that takes the listening sockets of the old one."""
        host = self.host
        self.locks.check(deployment)
        gateways = host.gateways(deployment.name, deployment.env)
        accept = host.once_reachable(accept)
        with docker_errors(f"replacing the gateway of {deployment.name}"):
            Promotion(host.state, gateways, deployment, deployment, accept, host.settings.restart).replace_gateway()
        return host.state.require_server(deployment.name, deployment.env, deployment.release)
