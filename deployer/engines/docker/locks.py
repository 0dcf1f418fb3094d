"""The locks of deployments that several machines change: this working copy's, which is cheap, then the engine's."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

from deployer.engines import run_dir
from deployer.engines.docker.shared_lock import LockHandle, SharedLock
from deployer.results.deployment import Deployment
from deployer.system.locks import lock_owner
from deployer.system.owners import Owner
from deployer.system.wait import Deadline


class LockingHost(Protocol):
    """What has the locks."""

    def deployment_dir(self, name: str, env: str) -> Path:
        """Return the directory of a deployment in this working copy."""

    def shared_lock(self, name: str, env: str) -> SharedLock:
        """Return the lock of a deployment on the engine."""


@dataclass(frozen=True)
class DockerLocks:
    """The Locks of a Docker Engine or a Swarm."""

    host: LockingHost
    held: dict[tuple[str, str], LockHandle] = field(default_factory=dict)

    @contextmanager
    def acquire(self, name: str, env: str, wait_seconds: float) -> Iterator[None]:
        deadline = Deadline.after(wait_seconds)
        with (
            run_dir.hold_lock(self.host.deployment_dir(name, env), name, env, wait_seconds),
            self.host.shared_lock(name, env).hold(deadline.remaining) as handle,
        ):
            self.held[name, env] = handle
            try:
                yield
            finally:
                del self.held[name, env]

    def owner(self, name: str, env: str) -> Owner | None:
        held = self.host.shared_lock(name, env).inspect()
        return held.owner if held else lock_owner(self.host.deployment_dir(name, env))

    def break_lock(self, name: str, env: str) -> None:
        run_dir.end_lock_holder(self.host.deployment_dir(name, env), name, env)
        self.host.shared_lock(name, env).break_lock()

    def check(self, deployment: Deployment) -> None:
        """Raise LockHeld if this command held the lock of a deployment and has lost it."""
        handle = self.held.get((deployment.name, deployment.env))
        if handle is not None:
            handle.check()
