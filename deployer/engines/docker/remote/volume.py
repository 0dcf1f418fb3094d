"""Volumes of an engine on another machine: created with labels, and removed once no server uses them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import docker.errors
from docker import DockerClient

from deployer.engines.docker.api import CONFLICT, docker_errors
from deployer.engines.docker.remote.helper import HELPER
from deployer.system.wait import Deadline, wait_until

CLEAR_SECONDS = 5.0


@dataclass(frozen=True)
class Volume:
    """A volume by its name, which need not exist."""

    client: DockerClient
    name: str
    labels: Mapping[str, str] = field(default_factory=dict)

    def create(self) -> None:
        """Create it with its labels; no error if it exists. Raise EngineError."""
        with docker_errors(f"creating the volume {self.name}"):
            self.client.volumes.create(self.name, labels=dict(self.labels))

    def exists(self) -> bool:
        """Return whether the engine has it. Raise EngineError."""
        with docker_errors(f"looking for the volume {self.name}"):
            try:
                self.client.api.inspect_volume(self.name)
            except docker.errors.NotFound:
                return False
        return True

    def remove(self) -> None:
        """Remove it, unless a server uses it. Raise EngineError."""
        wait_until(lambda: self.try_to_remove() or self._is_used(), Deadline.after(CLEAR_SECONDS))

    def try_to_remove(self) -> bool:
        """Remove it, unless a container uses it; return whether it is gone. Raise EngineError."""
        with docker_errors(f"removing the volume {self.name}"):
            try:
                self.client.api.remove_volume(self.name)
            except docker.errors.NotFound:
                pass
            except docker.errors.APIError as error:
                if error.status_code != CONFLICT:
                    raise
                return False
        return True

    def _is_used(self) -> bool:
        """Return whether a server uses it. The helpers of commands that have ended disappear in a moment."""
        with docker_errors("listing containers"):
            listed = self.client.api.containers(all=True, filters={"volume": self.name})
        return any(HELPER not in (container["Labels"] or {}) for container in listed)


def labelled(client: DockerClient, labels: Mapping[str, str]) -> list[Volume]:
    """Return the volumes of an engine that have these labels. Raise EngineError."""
    filters = {"label": [f"{name}={value}" for name, value in labels.items()]}
    with docker_errors("listing volumes"):
        listed = client.api.volumes(filters=filters)["Volumes"] or ()
    return [Volume(client, str(each["Name"])) for each in listed]
