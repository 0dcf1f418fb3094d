"""The specifications of services, as the Engine API takes them. Pure.

A server is hardened as on Docker: a read-only root file system, no capabilities, no new privileges, an unprivileged
user, a limit on processes, a network of its own, and an init process that forwards signals.

The model servers of some images drop SIGTERM, or cut the requests in flight. So Swarm sends a signal that every server
ignores: the server goes on until `drain_seconds` later, when Swarm kills it. No new requests reach it in that time.
"""

from __future__ import annotations

import copy
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from deployer.config.spec import Docker
from deployer.config.swarm import Swarm
from deployer.engines.docker.container_spec import ContainerSpec
from deployer.engines.docker.names import LABEL
from deployer.engines.docker.sdk_arguments import SECOND
from deployer.engines.swarm import secrets
from deployer.engines.swarm.inspection import ACCEPTED, RELEASE
from deployer.engines.swarm.names import CANDIDATE, PULL, ROLE, SERVER
from deployer.engines.swarm.secrets import SecretVariable

Spec = dict[str, Any]
REPLICAS, REPLACES, SCALED_FROM = f"{LABEL}replicas", f"{LABEL}replaces", f"{LABEL}scaled_from"
IGNORED_SIGNAL = "SIGURG"
SHM = "/dev/shm"  # noqa: S108 - the container's own
HEALTH = {
    "Interval": 2 * SECOND,
    "Timeout": 10 * SECOND,
    "Retries": 3,
    "StartPeriod": 3600 * SECOND,
    "StartInterval": SECOND // 2,
}
"""The times of the image's own health check. A task gets requests once it has succeeded, so it is asked often at first,
and a server may take as long to load as the gate lets its candidate take; engines before 25.0 ask every Interval."""

CONDITIONS = {"no": "none", "on-failure": "on-failure", "always": "any", "unless-stopped": "any"}
"""Swarm's names for restart policies."""
RESTART_DELAY = 2 * SECOND


@dataclass(frozen=True)
class ServerParts:
    """What a server's service is made of. `command` is the image's own one, which only secrets need."""

    image: str
    release: str
    network: str
    labels: Mapping[str, str]
    docker: Docker
    swarm: Swarm
    environment: Mapping[str, str] = field(default_factory=dict)
    secrets: tuple[SecretVariable, ...] = ()
    command: tuple[str, ...] = ()


def candidate(name: str, parts: ServerParts) -> Spec:
    """Return the service with one server that is verified: it is not started again, and killed at once in the end."""
    container = {**_container(parts), "StopSignal": "SIGKILL", "StopGracePeriod": 0}
    return {
        "Name": name,
        "Labels": {**parts.labels, ROLE: CANDIDATE},
        "TaskTemplate": {
            "ContainerSpec": container,
            "Resources": _resources(parts.docker, parts.swarm),
            "RestartPolicy": {"Condition": "none"},
            "Placement": _placement(parts.docker, parts.swarm),
            "Networks": [{"Target": parts.network}],
            "LogDriver": {"Name": ContainerSpec.log_driver, "Options": log_options()},
        },
        "Mode": {"Replicated": {"Replicas": 1}},
        "EndpointSpec": {"Mode": "dnsrr"},
    }


def server(name: str, verified: Mapping[str, Any], restart: str, swarm: Swarm) -> Spec:
    """Return the service that serves, from that of its verified candidate: its containers are the same."""
    spec = copy.deepcopy(dict(verified))
    task = spec["TaskTemplate"]
    task["ContainerSpec"] |= {"StopSignal": IGNORED_SIGNAL, "StopGracePeriod": swarm.drain_seconds * SECOND}
    task["RestartPolicy"] = {"Condition": CONDITIONS[restart], "Delay": RESTART_DELAY}
    task["Placement"] = {**task.get("Placement", {}), **_spread(swarm)}
    labels = {**spec["Labels"], ROLE: SERVER, ACCEPTED: "false"}
    return {
        **spec,
        "Name": name,
        "Labels": labels,
        "Mode": {"Replicated": {"Replicas": int(labels[REPLICAS])}},
        "UpdateConfig": _rolling(swarm, "rollback"),
        "RollbackConfig": _rolling(swarm, "pause"),
    }


def pull(name: str, parts: ServerParts) -> Spec:
    """Return the service that has every node where servers may run get the image; its containers do nothing.

    It is no job: engines keep the containers of jobs.
    """
    return {
        "Name": name,
        "Labels": {**parts.labels, ROLE: PULL},
        "TaskTemplate": {
            "ContainerSpec": {
                "Image": parts.image,
                "Command": ["sleep", "infinity"],
                "User": parts.docker.user,
                "ReadOnly": True,
                "CapabilityDrop": list(ContainerSpec.cap_drop),
                "Healthcheck": {"Test": ["NONE"]},
                "StopSignal": "SIGKILL",
                "StopGracePeriod": 0,
            },
            "RestartPolicy": {"Condition": "none"},
            "Placement": _placement(parts.docker, parts.swarm),
            "LogDriver": {"Name": "none"},
        },
        "Mode": {"Global": {}},
    }


def scaled(spec: Mapping[str, Any], replicas: int) -> Spec:
    """Return the specification with another number of servers, without the mark of `scaling`."""
    labels = {**(spec.get("Labels") or {}), REPLICAS: str(replicas)}
    labels.pop(SCALED_FROM, None)
    return {**spec, "Labels": labels, "Mode": {"Replicated": {"Replicas": replicas}}}


def scaling(spec: Mapping[str, Any], replicas: int) -> Spec:
    """Return the specification with another number of servers, which do not run yet, and a mark with that before."""
    made, before = scaled(spec, replicas), spec["Mode"]["Replicated"]["Replicas"]
    return {**made, "Labels": {**made["Labels"], SCALED_FROM: str(before)}}


def scaled_from(labels: Mapping[str, str]) -> int | None:
    """Return the number of servers before a change that has not ended; None without one."""
    before = labels.get(SCALED_FROM, "")
    return int(before) if before.isdecimal() else None


def accepted(spec: Mapping[str, Any]) -> Spec:
    """Return the specification with the mark that its servers were verified. No task is started again for it."""
    return {**spec, "Labels": {**(spec.get("Labels") or {}), ACCEPTED: "true"}}


def is_accepted(labels: Mapping[str, str]) -> bool:
    """Return whether the servers of a service with these labels were verified."""
    return labels.get(ACCEPTED) == "true"


def log_options() -> dict[str, str]:
    """Return the options that bound the logs of a container."""
    return {"max-size": "10m", "max-file": "3"}


def _container(parts: ServerParts) -> Spec:
    settings = parts.docker
    container: Spec = {
        "Image": parts.image,
        # Not the labels of the service: the Docker engine of a node takes containers with these for its own.
        "Labels": {RELEASE: parts.release},
        "Env": [f"{name}={value}" for name, value in sorted(parts.environment.items())],
        "User": settings.user,
        "Init": True,
        "ReadOnly": True,
        "CapabilityDrop": list(ContainerSpec.cap_drop),
        "Privileges": {"NoNewPrivileges": True},
        "Mounts": _tmpfs(settings),
        "Healthcheck": dict(HEALTH),
    }
    if parts.secrets:
        container["Command"] = secrets.exporting(parts.secrets, parts.command)
        container["Secrets"] = secrets.mounts(parts.secrets, settings.user)
    return container


def _tmpfs(settings: Docker) -> list[Spec]:
    sizes = {ContainerSpec.tmpfs: 64 << 20}
    if settings.shm_bytes is not None:
        sizes[SHM] = settings.shm_bytes  # a service has no setting for it
    return [
        {"Type": "tmpfs", "Target": target, "TmpfsOptions": {"SizeBytes": size, "Mode": 0o1777}}
        for target, size in sizes.items()
    ]


def _resources(settings: Docker, swarm: Swarm) -> Spec:
    limits: Spec = {"Pids": ContainerSpec.pids_limit}
    if settings.cpus is not None:
        limits["NanoCPUs"] = int(settings.cpus * 10**9)
    if settings.memory_bytes is not None:
        limits["MemoryBytes"] = settings.memory_bytes
    reservations: Spec = {}
    if swarm.reserve_cpus is not None:
        reservations["NanoCPUs"] = int(swarm.reserve_cpus * 10**9)
    if swarm.reserve_memory_bytes is not None:
        reservations["MemoryBytes"] = swarm.reserve_memory_bytes
    return {"Limits": limits, **({"Reservations": reservations} if reservations else {})}


def _placement(settings: Docker, swarm: Swarm) -> Spec:
    placement: Spec = {"Constraints": list(swarm.constraints)}
    if settings.platform:
        system, architecture = settings.platform.split("/")[:2]
        placement["Platforms"] = [{"OS": system, "Architecture": architecture}]
    return placement


def _spread(swarm: Swarm) -> Spec:
    spread: Spec = {}
    if swarm.spread:
        spread["Preferences"] = [{"Spread": {"SpreadDescriptor": swarm.spread}}]
    if swarm.max_per_node:
        spread["MaxReplicas"] = swarm.max_per_node
    return spread


def _rolling(swarm: Swarm, on_failure: str) -> Spec:
    """Return how tasks are replaced: one after another, each by one that runs before."""
    return {
        "Parallelism": 1,
        "Order": "start-first",
        "FailureAction": on_failure,
        "Monitor": swarm.monitor_seconds * SECOND,
        "MaxFailureRatio": 0,
    }
