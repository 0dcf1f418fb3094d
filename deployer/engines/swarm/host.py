"""One Swarm, as a project uses it from a state directory through one of its managers."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from deployer.config.swarm import Swarm
from deployer.engines import run_dir
from deployer.engines.docker.api import transport_to
from deployer.engines.docker.host import DockerHost
from deployer.engines.docker.shared_lock import LockTarget
from deployer.engines.swarm.api import SwarmApi
from deployer.engines.swarm.config_lock import ConfigLock
from deployer.engines.swarm.gateway.service import SwarmGateway
from deployer.engines.swarm.inspection import SwarmInfo
from deployer.engines.swarm.overlay import Overlay
from deployer.engines.swarm.state import SwarmState
from deployer.system.files import private_directory

STATE = "swarm"
"""The directory below the state directory with the locks of this working copy."""


@dataclass(frozen=True)
class SwarmHost:
    """The Swarm of the engine that `docker` selects, which must be one of its managers.

    `is_other` is whether the project is another one than the command's.
    """

    docker: DockerHost
    swarm: Swarm
    is_other: bool = False

    @property
    def project(self) -> str:
        """The project."""
        return self.docker.project

    @cached_property
    def api(self) -> SwarmApi:
        """The calls to the manager. Raises EngineUnavailable."""
        return SwarmApi(self.docker.client)

    @cached_property
    def info(self) -> SwarmInfo:
        """What the manager says about the Swarm, once for each command."""
        return self.api.info()

    @cached_property
    def state(self) -> SwarmState:
        """The services of the project."""
        return SwarmState(self.api, self.project)

    @cached_property
    def gateway(self) -> SwarmGateway:
        """The gateways of the project. Tokens of another one are never kept in this working copy."""
        host = self.docker
        return SwarmGateway(
            self.api,
            host.gateway,
            self.swarm,
            self.project,
            private_directory() if self.is_other else host.state_dir,
            host.templates_dir,
            host.cors,
            host.temporary_gateway,
        )

    def overlay(self, network: str) -> Overlay:
        """Return what this process reaches on a network, by its id."""
        host = self.docker
        return Overlay(host.client, transport_to(host.settings.host), host.helper_image, network)

    def deployment_dir(self, name: str, env: str) -> Path:
        """Return the directory with the lock of a deployment in this working copy."""
        return self.docker.state_dir / STATE / run_dir.env_dir_name(self.project, env) / name

    def release_dir(self, name: str, env: str, release: str) -> Path:
        """Return the directory that stands for a release; nothing is ever written there."""
        return (self.deployment_dir(name, env) / release).resolve()

    def shared_lock(self, name: str, env: str) -> ConfigLock:
        """Return the lock of a deployment on the Swarm."""
        return ConfigLock(self.api, LockTarget(self.project, name, env))
