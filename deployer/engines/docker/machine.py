"""The machine of a Docker Engine: which files its containers see, and which of its ports are free.

The engine of this machine mounts this machine's directories. On another machine nothing of them exists: files are
copied into a volume (`remote.machine`).
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from deployer.engines import ports
from deployer.engines.docker.container_spec import CONFIG_MOUNT, Mounts, binds
from deployer.engines.run_dir import CONFIG_DIR
from deployer.results.progress import Progress

if TYPE_CHECKING:
    from deployer.engines.docker.gateway.directory import GatewayDir
    from deployer.engines.port_holders import PortHolder
    from deployer.results.deployment import Deployment
    from deployer.results.model import Model


class Ports(Protocol):
    """The TCP ports of a machine, as `engines.ports` has them of this one."""

    def check_free(self, host: str, port: int) -> None:
        """Raise PortTaken if the port cannot be bound."""

    def check_host(self, host: str) -> None:
        """Raise EngineError if no port can be bound on the host, as far as that can be tried."""

    def first_free(self, host: str, *preferred: int | None) -> int:
        """Return the first of the preferred ports that is free, or 0."""

    def any_free(self, host: str, *exclude: int | None) -> int:
        """Return a free port that is not in `exclude`. Raise EngineError."""

    def holder(self, port: int) -> PortHolder:
        """Return which process listens on a port, as far as this user may see it."""

    def first_unprivileged(self) -> int:
        """Return the first port that needs no privilege."""

    def count_listeners(self, port: int) -> int:
        """Return how many sockets listen on a port; 0 if that cannot be read."""


class Machine(Protocol):
    """The machine of one engine, for one project and store."""

    @property
    def name(self) -> str:
        """Its host name in the engine's address; empty for this machine."""

    @property
    def is_remote(self) -> bool:
        """Whether it is another machine."""

    @property
    def ports(self) -> Ports:
        """Its ports."""

    def mounts(self, models_dir: Path, release_dir: Path) -> Mounts:
        """Return the mounts of a server whose record is in `release_dir`."""

    def transfer(self, models: Sequence[Model], progress: Progress) -> None:
        """Bring versions to where servers read them. Raise EngineError."""

    def forget(self, versions: Iterable[tuple[str, int]]) -> None:
        """Remove versions from where servers read them."""

    def publish_config(self, release_dir: Path) -> None:
        """Bring the configuration that was written into `release_dir` to where its server reads it."""

    def delete_config(self, release_dir: Path) -> None:
        """Remove the configuration of a server from where it read it."""

    def gateway_dir(self, directory: GatewayDir, name: str, env: str) -> GatewayDir:
        """Return the directory of a deployment's gateway, whose record is `directory`."""

    def clear(self) -> None:
        """Remove what no container of the engine uses any more."""

    def reachable(self, deployment: Deployment) -> Deployment:
        """Return a deployment with addresses at which this machine reaches it."""


class LocalMachine:
    """The machine of this process: its directories are mounted, and nothing is copied."""

    name = ""
    is_remote = False
    ports: Ports = ports

    def mounts(self, models_dir: Path, release_dir: Path) -> Mounts:
        return Mounts(models_dir, binds(models_dir, str(release_dir / CONFIG_DIR)), CONFIG_MOUNT)

    def transfer(self, models: Sequence[Model], progress: Progress) -> None:
        """Do nothing: servers read the store itself."""

    def forget(self, versions: Iterable[tuple[str, int]]) -> None:
        """Do nothing."""

    def publish_config(self, release_dir: Path) -> None:
        """Do nothing: servers read the directory itself."""

    def delete_config(self, release_dir: Path) -> None:
        """Do nothing."""

    def gateway_dir(self, directory: GatewayDir, name: str, env: str) -> GatewayDir:
        del name, env
        return directory

    def clear(self) -> None:
        """Do nothing."""

    def reachable(self, deployment: Deployment) -> Deployment:
        return deployment
