"""Parts for engines on this machine: locks in directories and port checks; and those of engines that have none."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path

from deployer.engines import ports, run_dir
from deployer.engines.base import Address
from deployer.results.deployment import Deployment
from deployer.results.launch import NamedImage
from deployer.results.model import Model
from deployer.results.progress import Progress
from deployer.system.locks import lock_owner
from deployer.system.owners import Owner


@dataclass(frozen=True)
class DirectoryLocks:
    """Locks in the directories of the deployments, which `directory_of` returns."""

    directory_of: Callable[[str, str], Path]

    def acquire(self, name: str, env: str, wait_seconds: float) -> AbstractContextManager[None]:
        return run_dir.hold_lock(self.directory_of(name, env), name, env, wait_seconds)

    def owner(self, name: str, env: str) -> Owner | None:
        return lock_owner(self.directory_of(name, env))

    def break_lock(self, name: str, env: str) -> None:
        run_dir.end_lock_holder(self.directory_of(name, env), name, env)


def check_address(address: Address, own: Iterable[Deployment]) -> None:
    """Raise PortTaken if a port of the address is held by anything but `own`, the running servers of the deployment.

    Raises EngineError for a host that cannot be bound.
    """
    held = {port for each in own for port in (each.rest_port, each.grpc_port)}
    for port in (address.rest_port, address.grpc_port):
        if port and port not in held:
            ports.check_free(address.host, port)
    ports.check_host(address.host)


class NoImages:
    """The images of an engine without images."""

    def current(self) -> None:
        """Return None."""

    def gateway(self) -> None:
        """Return None."""

    def find(self, names: Collection[str]) -> Mapping[str, NamedImage]:
        """Return an empty mapping."""
        del names
        return {}

    def pull(self, progress: Progress) -> None:
        """Do nothing."""


class NoCopies:
    """The copies of an engine whose servers read the store itself, or have the models in their image."""

    def send(self, models: Sequence[Model], progress: Progress) -> None:
        """Do nothing."""

    def forget(self, versions: Iterable[tuple[str, int]]) -> None:
        """Do nothing."""


class NoGateways:
    """The gateways of an engine without any."""

    def digest(self, name: str, env: str, host: str) -> str:
        """Return an empty digest."""
        del name, env, host
        return ""

    def new_certificate(self, name: str, env: str, host: str) -> None:
        """Return None."""

    def self_signed(self, name: str, env: str) -> None:
        """Return None."""

    def replace(self, deployment: Deployment, accept: Callable[[Deployment], None]) -> Deployment:
        """Call `accept` only."""
        accept(deployment)
        return deployment
