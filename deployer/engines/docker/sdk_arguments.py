"""The arguments with which the Docker SDK creates a container."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from docker.types import DeviceRequest, EndpointConfig, Mount

from deployer.config.interpolation import reveal
from deployer.config.spec import Docker
from deployer.engines.docker.container_spec import (
    Bind,
    ContainerSpec,
    Health,
    Mounts,
    Port,
    deployment_labels,
    server_arguments,
)
from deployer.engines.docker.inspection import Image
from deployer.engines.docker.names import LABEL
from deployer.results.deployment import GRPC_PORT, IN_IMAGE, REST_PORT
from deployer.results.launch import Launch

REST = f"{REST_PORT}/tcp"
GRPC = f"{GRPC_PORT}/tcp"
SECOND = 10**9
"""Docker's API measures times in nanoseconds."""
NOT_RECORDED = ("host", "pull_seconds", "environment")
"""Settings about how a container is made, and variables: monitoring systems export labels, and a value may be secret.

Of the variables, a container records the names.
"""


@dataclass(frozen=True)
class Placement:
    """The names, directory and ports of one container: the deployment's, and its own for the verification.

    Behind a gateway it has a `slot` with an `address` and publishes no ports.
    """

    release: str
    container: str
    network: str
    directory: Path
    rest_port: int
    grpc_port: int
    own_rest_port: int
    own_grpc_port: int
    slot: str = ""
    address: str = ""
    gateway: Path | None = None


def recorded_settings(settings: Docker, models_dir: Path | None) -> dict[str, object]:
    """Return the settings that a container records, with the store that is mounted, if any."""
    values = {name: value for name, value in asdict(settings).items() if name not in NOT_RECORDED}
    return {**values, IN_IMAGE: True} if models_dir is None else {**values, "store": str(models_dir)}


def labels(launch: Launch, placement: Placement, settings: Docker, models_dir: Path, image: Image) -> dict[str, str]:
    """Return the labels, which carry everything that is known about the container."""
    return {
        **deployment_labels(launch),
        f"{LABEL}release": placement.release,
        f"{LABEL}image": image.id,
        f"{LABEL}image_digest": image.resolved(settings.image),
        f"{LABEL}image_name": settings.image,
        f"{LABEL}settings": json.dumps(recorded_settings(settings, None if launch.in_image else models_dir)),
        f"{LABEL}temporary": json.dumps(launch.temporary_settings),
        f"{LABEL}flags": json.dumps(launch.flags),
        f"{LABEL}environment": json.dumps(sorted(settings.environment)),
        f"{LABEL}rest_port": str(placement.rest_port),
        f"{LABEL}grpc_port": str(placement.grpc_port),
        f"{LABEL}own_rest_port": str(placement.own_rest_port),
        f"{LABEL}own_grpc_port": str(placement.own_grpc_port),
        f"{LABEL}folder": str(placement.directory),
        f"{LABEL}store": str(models_dir),
        **({f"{LABEL}slot": placement.slot, f"{LABEL}address": placement.address} if placement.slot else {}),
        **({f"{LABEL}gateway": str(placement.gateway)} if placement.gateway else {}),
    }


def candidate_arguments(
    launch: Launch, placement: Placement, settings: Docker, mounts: Mounts, image: Image
) -> dict[str, object]:
    """Return the SDK's arguments for the container of a candidate."""
    published = (
        () if placement.slot else (Port(placement.own_rest_port, REST_PORT), Port(placement.own_grpc_port, GRPC_PORT))
    )
    container = ContainerSpec(
        name=placement.container,
        network=placement.network,
        arguments=() if launch.in_image else tuple(server_arguments(launch, mounts.config_dir)),
        labels=labels(launch, placement, settings, mounts.store, image),
        host=launch.host,
        ports=published,
        binds=() if launch.in_image else mounts.binds,
        # A candidate that ends has failed; the promotion sets the restart policy.
        settings=replace(settings, restart="no"),
        health=None if launch.in_image else Health(),
    )
    return {**container_arguments(container), **_address(placement)}


def _address(placement: Placement) -> dict[str, object]:
    if not placement.address:
        return {}
    # A fixed address outlives a restart.
    return {"networking_config": {placement.network: EndpointConfig("1.44", ipv4_address=placement.address)}}


def container_arguments(container: ContainerSpec) -> dict[str, object]:
    """Return the SDK's arguments for a container."""
    settings = container.settings
    return {
        "image": settings.image,
        "command": list(container.arguments) or None,
        "name": container.name,
        "labels": dict(container.labels),
        "network": container.network,
        "ports": {f"{port.inside}/tcp": (container.host, port.public) for port in container.ports},
        "mounts": [_mount(bind) for bind in container.binds],
        "environment": reveal(settings.environment),
        "init": True,
        "read_only": True,
        "tmpfs": {container.tmpfs: container.tmpfs_options},
        "cap_drop": list(container.cap_drop),
        "security_opt": list(container.security),
        "user": settings.user,
        "pids_limit": container.pids_limit,
        "restart_policy": {"Name": settings.restart},
        "healthcheck": _healthcheck(container.health) if container.health else None,
        "log_config": {"Type": container.log_driver, "Config": dict(container.log_options)},
        "platform": settings.platform,
        **_limits(settings),
    }


def _mount(bind: Bind) -> Mount:
    # With a typed mount a missing source is an error and not an empty directory.
    return Mount(target=bind.target, source=bind.source, type=bind.kind, read_only=True)


def _healthcheck(health: Health) -> dict[str, object]:
    return {
        "test": ["CMD-SHELL", health.command],
        "interval": health.interval * SECOND,
        "timeout": health.timeout * SECOND,
        "start_period": health.start_period * SECOND,
    }


def _limits(settings: Docker) -> dict[str, object]:
    limits: dict[str, object] = {}
    if settings.cpus is not None:
        limits["nano_cpus"] = int(settings.cpus * 10**9)
    if settings.memory is not None:
        limits |= {"mem_limit": settings.memory, "memswap_limit": settings.memory}
    if settings.shm_size is not None:
        limits["shm_size"] = settings.shm_size
    if settings.gpus is not None:
        limits["device_requests"] = [DeviceRequest(count=settings.gpus, capabilities=[["gpu"]])]
    return limits


def recreation_config(attributes: Mapping[str, Any], restart: str) -> tuple[dict[str, object], dict[str, object]]:
    """Return Config and HostConfig of an inspected container, with the deployment's ports and restart policy."""
    config, host = dict(attributes["Config"]), dict(attributes["HostConfig"])
    del config["Hostname"]  # it is the id of the inspected container
    config["Labels"] = {
        **config["Labels"],
        f"{LABEL}own_rest_port": config["Labels"][f"{LABEL}rest_port"],
        f"{LABEL}own_grpc_port": config["Labels"][f"{LABEL}grpc_port"],
    }
    host["RestartPolicy"] = {"Name": restart}
    host["PortBindings"] = {
        REST: [{"HostIp": config["Labels"][f"{LABEL}host"], "HostPort": config["Labels"][f"{LABEL}rest_port"]}],
        GRPC: [{"HostIp": config["Labels"][f"{LABEL}host"], "HostPort": config["Labels"][f"{LABEL}grpc_port"]}],
    }
    return config, host
