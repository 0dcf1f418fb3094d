"""The locks of a Docker Engine: this working copy's, which is cheap, and then the engine's."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

from deployer.engines import run_dir
from deployer.engines.docker.engine_lock import EngineLock, LockHandle
from deployer.engines.docker.host import DockerHost
from deployer.results.deployment import Deployment
from deployer.system.locks import lock_owner
from deployer.system.owners import Owner
from deployer.system.wait import Deadline


@dataclass(frozen=True)
class DockerLocks:
    """The Locks of a Docker Engine, which commands on several machines share."""

    host: DockerHost
    held: dict[tuple[str, str], LockHandle] = field(default_factory=dict)

    @contextmanager
    def acquire(self, name: str, env: str, wait_seconds: float) -> Iterator[None]:
        deadline = Deadline.after(wait_seconds)
        with (
            run_dir.hold_lock(self.host.state.deployment_dir(name, env), name, env, wait_seconds),
            self._engine_lock(name, env).hold(deadline.remaining) as handle,
        ):
            self.held[name, env] = handle
            try:
                yield
            finally:
                del self.held[name, env]

    def owner(self, name: str, env: str) -> Owner | None:
        held = self._engine_lock(name, env).inspect()
        return held.owner if held else lock_owner(self.host.state.deployment_dir(name, env))

    def break_lock(self, name: str, env: str) -> None:
        run_dir.end_lock_holder(self.host.state.deployment_dir(name, env), name, env)
        self._engine_lock(name, env).break_lock()

    def check(self, deployment: Deployment) -> None:
        """Raise LockHeld if this command held the lock of a deployment and has lost it."""
        handle = self.held.get((deployment.name, deployment.env))
        if handle is not None:
            handle.check()

    def _engine_lock(self, name: str, env: str) -> EngineLock:
        host = self.host
        return EngineLock(host.client, host.project, name, env, host.image.id if host.image else "")
