"""The specification of a gateway's service, as the Engine API takes it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from deployer.config.gateway import Gateway
from deployer.config.swarm import Swarm
from deployer.engines.docker.gateway.containers import FILES_PER_CONNECTION, GRACE_SECONDS, STOP_SIGNAL
from deployer.engines.docker.gateway.directory import NOBODY
from deployer.engines.swarm.gateway.config import BACKENDS, MOST_TASKS, Route
from deployer.engines.swarm.gateway.files import DIRECTORY, REFERENCES
from deployer.engines.swarm.inspection import Service
from deployer.results.deployment import GRPC_PORT, REST_PORT

CONFIG_FILE = "haproxy.cfg"
OTHER_FILES = 256
"""Open files that are neither of clients nor of the health check of a task."""
SECOND = 10**9
"""In the nanoseconds of the Engine API."""

MONITOR_SECONDS = 1
"""How long the tasks of an update must run before the next one; HAProxy ends at once if it cannot start."""

LISTENS = f"grep -q ':{REST_PORT:04X} 00000000:0000 0A ' /proc/net/tcp"
"""The health check: whether the port is open. Images of HAProxy have a shell, and no HTTP client in common."""


@dataclass(frozen=True)
class GatewaySpec:
    """The specification of a gateway's service for these settings.

    In host mode, each node has a gateway that holds ports of the node: a new one can start only after the old one.
    """

    settings: Gateway
    swarm: Swarm

    def service(
        self, name: str, labels: Mapping[str, str], route: Route, mounts: Sequence[Mapping[str, object]]
    ) -> dict[str, Any]:
        """Return the whole specification; `route` has the id of its network, `mounts` are its configs and secrets."""
        is_ingress = self.swarm.publish == "ingress"
        update = {
            "Parallelism": 1,
            "Order": "start-first" if is_ingress else "stop-first",
            "Monitor": MONITOR_SECONDS * SECOND,
            "MaxFailureRatio": 0,
        }
        return {
            "Name": name,
            "Labels": dict(labels),
            "TaskTemplate": {
                "ContainerSpec": self._container(mounts, is_checked=is_ingress),
                "Resources": {"Limits": {"Pids": 512}},
                "RestartPolicy": {"Condition": "any", "Delay": SECOND},
                "Placement": {"Constraints": list(self.swarm.gateway_constraints)},
                "Networks": [{"Target": route.network}],
                "LogDriver": {"Name": "json-file", "Options": {"max-size": "10m", "max-file": "3"}},
            },
            "Mode": {"Replicated": {"Replicas": self.swarm.gateway_replicas}} if is_ingress else {"Global": {}},
            "UpdateConfig": {**update, "FailureAction": "rollback"},
            "RollbackConfig": {**update, "FailureAction": "pause"},
            "EndpointSpec": {
                "Mode": "vip" if is_ingress else "dnsrr",
                "Ports": [
                    {
                        "Protocol": "tcp",
                        "TargetPort": target,
                        "PublishedPort": published,
                        "PublishMode": self.swarm.publish,
                    }
                    for target, published in zip((REST_PORT, GRPC_PORT), route.ports, strict=True)
                ],
            },
        }

    def _container(self, mounts: Sequence[Mapping[str, object]], *, is_checked: bool) -> dict[str, Any]:
        # Hardened as the servers are.
        files = FILES_PER_CONNECTION * self.settings.max_connections + BACKENDS * MOST_TASKS + OTHER_FILES
        container: dict[str, Any] = {
            "Image": self.settings.image,
            "Command": ["haproxy", "-db", "-f", f"{DIRECTORY}/{CONFIG_FILE}"],
            "User": f"{NOBODY}:{NOBODY}",
            "Init": True,
            "ReadOnly": True,
            "CapabilityDrop": ["ALL"],
            "Ulimits": [{"Name": "nofile", "Soft": files, "Hard": files}],
            "StopSignal": STOP_SIGNAL,
            "StopGracePeriod": (self.settings.drain_seconds + GRACE_SECONDS) * SECOND,
            **{key: [each for each in mounts if id_key in each] for key, id_key, _ in REFERENCES.values()},
        }
        if is_checked:  # the routing mesh sends requests to a task as soon as it is healthy
            container["Healthcheck"] = {"Test": ["CMD-SHELL", LISTENS], "Interval": 2 * SECOND, "Timeout": 5 * SECOND}
        return container


def restarts(service: Service, desired: Mapping[str, Any]) -> bool:
    """Return whether another specification of a service makes Swarm replace its tasks."""
    parts = ("TaskTemplate", "EndpointSpec", "Mode")
    return not all(_has(service.spec.get(part), desired.get(part)) for part in parts)


def _has(found: Any, desired: Any) -> bool:
    """Return whether a value of the Engine API, which adds defaults, is the desired one."""
    if isinstance(desired, Mapping):
        return all(_has((found or {}).get(key), value) for key, value in desired.items())
    if isinstance(desired, list):
        found = found or []
        return len(found) == len(desired) and all(map(_has, found, desired))
    return bool(found == desired or not (found or desired))
