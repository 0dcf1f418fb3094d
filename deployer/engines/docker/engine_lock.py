"""A lock on a Docker Engine, for commands on several machines: a container that is never started.

Its name is unique: the command that creates the container holds the lock, and removes it at the end. Its labels name
the owner. The holder increases a number on the container while it lives. A command that waits watches that number with
its own monotonic clock, and takes over the lock of a holder that has stopped; the time of day does not matter.
"""

from __future__ import annotations

import contextlib
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import docker.errors
from docker import DockerClient

from deployer.engines.docker.api import CONFLICT, docker_errors
from deployer.engines.docker.names import LABEL, container_name
from deployer.errors import EngineError, LockHeld
from deployer.system.owners import Owner, current_owner, parse_owner
from deployer.system.wait import Deadline

LOCK = f"{LABEL}lock."
HEARTBEAT_SECONDS = 5.0
EXPIRY_SECONDS = 20.0
POLL_SECONDS = 0.1
RELEASE_SECONDS = 5.0
"""The time that a container which is being removed may still occupy its name."""


@dataclass(frozen=True)
class LockInfo:
    """A lock as the engine shows it. `id` is the holder's container, so removing it leaves a later lock alone."""

    id: str
    owner: Owner | None
    heartbeats: int

    @property
    def owner_text(self) -> str:
        """The owner in words."""
        return str(self.owner or "another command")


class ExpiryTracker:
    """Tells whether a lock's holder is alive, by this process's monotonic clock."""

    def __init__(self) -> None:
        self._seen: tuple[str, int] | None = None
        self._since = 0.0

    def expired(self, held: LockInfo) -> bool:
        """Return whether the holder has ended: at once for a process of this machine, else after EXPIRY_SECONDS."""
        if held.owner is not None and held.owner.is_local:
            return held.owner.has_ended
        if self._seen != (held.id, held.heartbeats):
            self._seen, self._since = (held.id, held.heartbeats), time.monotonic()
        return time.monotonic() - self._since >= EXPIRY_SECONDS


@dataclass(frozen=True)
class EngineLock:
    """The lock of one deployment on the engine of `client`. `image` is any image of the engine, or empty."""

    client: DockerClient
    project: str
    name: str
    env: str
    image: str = ""

    @property
    def container(self) -> str:
        """The name of the lock's container, which no server's container can have."""
        return container_name(self.project, self.name, self.env).replace("deployer-", "deployer.lock-", 1)

    @contextmanager
    def hold(self, wait_seconds: float) -> Iterator[LockHandle]:
        """Hold the lock. Raise LockHeld after `wait_seconds`."""
        container_id = self._acquire(Deadline.after(wait_seconds))
        released = threading.Event()
        try:
            threading.Thread(target=self._heartbeat, args=(container_id, released), daemon=True).start()
            yield LockHandle(self, container_id)
        finally:
            released.set()
            with contextlib.suppress(EngineError):  # engine unreachable: for the next command the lock expires
                self.remove(container_id)

    def inspect(self) -> LockInfo | None:
        """Return the current lock, or None. Raise EngineError for a container that is not a lock."""
        with docker_errors(f"looking at {self.container}"):
            try:
                container = self.client.api.inspect_container(self.container)
            except docker.errors.NotFound:
                return None
        labels = container["Config"].get("Labels") or {}
        if f"{LOCK}owner" not in labels:
            raise EngineError(f"the container {self.container} is not deployer's", hint="rename it")
        heartbeats = container["HostConfig"].get("RestartPolicy", {}).get("MaximumRetryCount", 0)
        return LockInfo(container["Id"], parse_owner(labels[f"{LOCK}owner"]), int(heartbeats))

    def break_lock(self) -> None:
        """Release the lock, and end its holder if that is a process of this machine."""
        held = self.inspect()
        if held is None:
            return
        if held.owner is not None:
            held.owner.terminate()
        self.remove(held.id)

    def remove(self, container_id: str) -> None:
        """Remove the lock of one holder and no other; no error if it is gone or being removed."""
        with docker_errors(f"removing {self.container}"):
            try:
                self.client.api.remove_container(container_id, force=True, v=True)
            except docker.errors.NotFound:
                pass
            except docker.errors.APIError as error:
                if error.status_code != CONFLICT:
                    raise

    def _acquire(self, deadline: Deadline) -> str:
        expiry, releasing = ExpiryTracker(), Deadline.after(RELEASE_SECONDS)
        while (container_id := self._create()) is None:
            held = self.inspect()
            if held and expiry.expired(held):
                self.remove(held.id)
            elif deadline.passed and (held or releasing.passed):
                raise self._refusal(held)
            else:
                time.sleep(POLL_SECONDS)
        return container_id

    def _refusal(self, held: LockInfo | None) -> LockHeld:
        owner_text = held.owner_text if held else "another command"
        return LockHeld(
            f"deployment {self.name} [{self.env}] is being worked on by {owner_text}",
            hint="wait for it with --lock-wait SECONDS: the lock of a command that died elsewhere is free after "
            f"{EXPIRY_SECONDS:g} s",
        )

    def _create(self) -> str | None:
        """Return the id of the new container, or None if the name exists."""
        labels = {f"{LOCK}project": self.project, f"{LOCK}name": self.name, f"{LOCK}env": self.env}
        labels[f"{LOCK}owner"] = current_owner().to_json()
        host = {"NetworkMode": "none", "LogConfig": {"Type": "none"}}
        config = {"Image": self.image, "Cmd": ["never started"], "Labels": labels, "HostConfig": host}
        with docker_errors(f"locking {self.name} [{self.env}]"):
            try:
                return str(self.client.api.create_container_from_config(config, self.container)["Id"])
            except docker.errors.APIError as error:
                if error.status_code == CONFLICT:
                    return None
                raise

    def _heartbeat(self, container_id: str, released: threading.Event) -> None:
        """Increase the container's restart limit, a number that an engine lets anyone change."""
        heartbeats = 0
        while not released.wait(HEARTBEAT_SECONDS):
            heartbeats += 1
            policy = {"Name": "on-failure", "MaximumRetryCount": heartbeats}
            with contextlib.suppress(EngineError), docker_errors(f"holding {self.container}"):
                self.client.api.update_container(container_id, restart_policy=policy)


@dataclass(frozen=True)
class LockHandle:
    """A held lock, which can be lost: to another command after a long suspension, or to `deployer unlock --force`."""

    lock: EngineLock
    container_id: str

    def check(self) -> None:
        """Raise LockHeld if the lock is lost."""
        held = self.lock.inspect()
        if held is None or held.id != self.container_id:
            holder = f"; it is held by {held.owner_text}" if held else ""
            raise LockHeld(f"the lock on {self.lock.name} [{self.lock.env}] was lost{holder}", hint="run it again")


def locked_deployments(client: DockerClient, project: str) -> set[tuple[str, str]]:
    """Return (name, env) of every lock of a project on an engine."""
    with docker_errors("listing locks"):
        listed = client.api.containers(all=True, filters={"label": [f"{LOCK}name", f"{LOCK}project={project}"]})
    return {(container["Labels"][f"{LOCK}name"], container["Labels"].get(f"{LOCK}env", "")) for container in listed}
