"""Parts of engines whose servers are processes of this machine: locks in directories, ports, and no images."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path

from deployer.engines import ports, run_dir
from deployer.engines.base import Address
from deployer.results.deployment import Deployment, NamedImage
from deployer.system.locks import lock_owner
from deployer.system.owners import Owner


@dataclass(frozen=True)
class DirectoryLocks:
    """Locks of deployments, each in the deployment's own directory, which `directory_of` names."""

    directory_of: Callable[[str, str], Path]

    def acquire(self, name: str, env: str, wait_seconds: float) -> AbstractContextManager[None]:
        """Hold the lock of a deployment. Raises LockHeld."""
        return run_dir.hold_lock(self.directory_of(name, env), name, env, wait_seconds)

    def owner(self, name: str, env: str) -> Owner | None:
        """The command that holds it."""
        return lock_owner(self.directory_of(name, env))

    def break_lock(self, name: str, env: str) -> None:
        """End the command that holds it. Raises LockHeld if that cannot be done."""
        run_dir.end_lock_holder(self.directory_of(name, env), name, env)


def check_address(address: Address, own: Iterable[Deployment]) -> None:
    """Raise PortTaken when a port is held by anyone but these servers, the running ones of the deployment."""
    held = {port for each in own for port in (each.rest_port, each.grpc_port)}
    for port in (address.rest_port, address.grpc_port):
        if port and port not in held:
            ports.check_free(address.host, port)


class NoImages:
    """The images of an engine that has none."""

    def current(self) -> None:
        """There is no image of new servers."""

    def find(self, names: Collection[str]) -> Mapping[str, NamedImage]:
        """No name means anything here."""
        del names
        return {}

    def pull(self, progress: Callable[[str], None]) -> None:
        """Nothing to pull."""
