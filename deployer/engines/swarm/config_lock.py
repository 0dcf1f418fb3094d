"""The lock of a deployment on a Swarm: an empty Docker config with a unique name, whose labels can be changed."""

from __future__ import annotations

from dataclasses import dataclass

from deployer.engines.docker.shared_lock import LOCK, LockInfo, LockTarget, SharedLock
from deployer.engines.swarm.api import SwarmApi
from deployer.engines.swarm.names import lock_name
from deployer.errors import EngineError
from deployer.system.owners import parse_owner

HEARTBEATS = f"{LOCK}heartbeats"
CONTENTS = b"deployer's lock\n"
"""A config cannot be empty."""


@dataclass(frozen=True)
class ConfigLock(SharedLock):
    """The lock of one deployment on a Swarm, whichever of its managers a command uses."""

    api: SwarmApi
    deployment: LockTarget

    @property
    def target(self) -> LockTarget:
        return self.deployment

    @property
    def config(self) -> str:
        """The name of the config."""
        return lock_name(self.target.project, self.target.name, self.target.env)

    def inspect(self) -> LockInfo | None:
        found = self.api.find_object("configs", self.config)
        if found is None:
            return None
        labels = found["Spec"].get("Labels") or {}
        if f"{LOCK}owner" not in labels:
            raise EngineError(f"the Docker config {self.config} is not deployer's", hint="remove it: docker config rm")
        heartbeats = labels.get(HEARTBEATS, "0")
        owner = parse_owner(labels[f"{LOCK}owner"])
        return LockInfo(str(found["ID"]), owner, int(heartbeats) if heartbeats.isdecimal() else 0)

    def remove(self, lock_id: str) -> None:
        self.api.remove_object("configs", lock_id)

    def create(self) -> str | None:
        return self.api.create_object("configs", self.config, self.target.labels(), CONTENTS)

    def beat(self, lock_id: str, heartbeats: int) -> None:
        """Put the number into a label."""
        found = self.api.find_object("configs", lock_id)
        if found is not None:
            labels = {**(found["Spec"].get("Labels") or {}), HEARTBEATS: str(heartbeats)}
            self.api.label_object("configs", found, labels)


def locked_deployments(api: SwarmApi, project: str) -> set[tuple[str, str]]:
    """Return (name, env) of every lock of a project on a Swarm."""
    found = api.objects("configs", f"{LOCK}name", f"{LOCK}project={project}")
    labels = [each["Spec"]["Labels"] for each in found]
    return {(each[f"{LOCK}name"], each.get(f"{LOCK}env", "")) for each in labels}
