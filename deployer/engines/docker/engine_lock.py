"""The lock of a deployment on a Docker Engine: a container that is never started."""

from __future__ import annotations

from dataclasses import dataclass

import docker.errors
from docker import DockerClient

from deployer.engines.docker.api import CONFLICT, docker_errors
from deployer.engines.docker.names import container_name
from deployer.engines.docker.shared_lock import LOCK, LockInfo, LockTarget, SharedLock
from deployer.errors import EngineError
from deployer.system.owners import parse_owner


@dataclass(frozen=True)
class EngineLock(SharedLock):
    """The lock of one deployment on the engine of `client`. `image` is any image of the engine, or empty."""

    client: DockerClient
    project: str
    name: str
    env: str
    image: str = ""

    @property
    def target(self) -> LockTarget:
        return LockTarget(self.project, self.name, self.env)

    @property
    def container(self) -> str:
        """The name of the lock's container, which no server's container can have."""
        return container_name(self.project, self.name, self.env).replace("deployer-", "deployer.lock-", 1)

    def inspect(self) -> LockInfo | None:
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

    def remove(self, lock_id: str) -> None:
        with docker_errors(f"removing {self.container}"):
            try:
                self.client.api.remove_container(lock_id, force=True, v=True)
            except docker.errors.NotFound:
                pass
            except docker.errors.APIError as error:
                if error.status_code != CONFLICT:
                    raise

    def create(self) -> str | None:
        host = {"NetworkMode": "none", "LogConfig": {"Type": "none"}}
        config = {"Image": self.image, "Cmd": ["never started"], "Labels": self.target.labels(), "HostConfig": host}
        with docker_errors(f"locking {self.name} [{self.env}]"):
            try:
                return str(self.client.api.create_container_from_config(config, self.container)["Id"])
            except docker.errors.APIError as error:
                if error.status_code == CONFLICT:
                    return None
                raise

    def beat(self, lock_id: str, heartbeats: int) -> None:
        """Set the container's restart limit, a number that an engine lets anyone change."""
        policy = {"Name": "on-failure", "MaximumRetryCount": heartbeats}
        with docker_errors(f"holding {self.container}"):
            self.client.api.update_container(lock_id, restart_policy=policy)


def locked_deployments(client: DockerClient, project: str) -> set[tuple[str, str]]:
    """Return (name, env) of every lock of a project on an engine."""
    with docker_errors("listing locks"):
        listed = client.api.containers(all=True, filters={"label": [f"{LOCK}name", f"{LOCK}project={project}"]})
    return {(container["Labels"][f"{LOCK}name"], container["Labels"].get(f"{LOCK}env", "")) for container in listed}
