"""Between containers and the Docker SDK: what it is told to create, and what its lists and inspections say."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from deployer.deployment import Deployment, Endpoints, Launch, ServedModel, models_from
from deployer.engines import run_folder
from deployer.engines.base import CANDIDATE, SERVING
from deployer.engines.blueprint import (
    GRPC_PORT,
    LABEL,
    REST_PORT,
    Bind,
    Container,
    Health,
    Port,
    arguments,
    binds,
    container_name,
    description,
)
from deployer.engines.ports import url_host
from deployer.engines.pulling import split
from deployer.spec import Docker

REST = f"{REST_PORT}/tcp"
GRPC = f"{GRPC_PORT}/tcp"
MODELS_FILE = "models.json"
SECOND = 10**9
"""Docker's API counts times in nanoseconds."""


@dataclass(frozen=True)
class Placement:
    """Where one container goes: its names, the deployment's ports, and the ports that it publishes itself."""

    release: str
    container: str
    network: str
    folder: Path
    rest_port: int
    grpc_port: int
    own_rest_port: int
    own_grpc_port: int


@dataclass(frozen=True)
class Image:
    """An image as the engine has it: its own id, and the names by which registries know it, each with a digest."""

    id: str
    digests: tuple[str, ...] = ()

    def resolved(self, name: str) -> str:
        """`repository@digest` for the repository of a name; the id of an image that no registry knows."""
        repository = split(name.partition("@")[0])[0].removeprefix("docker.io/").removeprefix("library/")
        return next((digest for digest in self.digests if digest.partition("@")[0] == repository), self.id)


def labels(launch: Launch, place: Placement, settings: Docker, models_dir: Path, image: Image) -> dict[str, str]:
    """All that is known about the container, on the container."""
    return {
        **description(launch),
        f"{LABEL}release": place.release,
        f"{LABEL}image": image.id,
        f"{LABEL}image_digest": image.resolved(settings.image),
        f"{LABEL}rest_port": str(place.rest_port),
        f"{LABEL}grpc_port": str(place.grpc_port),
        f"{LABEL}own_rest_port": str(place.own_rest_port),
        f"{LABEL}own_grpc_port": str(place.own_grpc_port),
        f"{LABEL}folder": str(place.folder),
        f"{LABEL}store": str(models_dir),
    }


def creation(launch: Launch, place: Placement, settings: Docker, models_dir: Path, image: Image) -> dict[str, Any]:
    """The keyword arguments with which the SDK creates the container of a candidate."""
    container = Container(
        name=place.container,
        network=place.network,
        arguments=tuple(arguments(launch)),
        labels=labels(launch, place, settings, models_dir, image),
        host=launch.host,
        ports=(Port(place.own_rest_port, REST_PORT), Port(place.own_grpc_port, GRPC_PORT)),
        binds=binds(models_dir, str(place.folder / "config")),
        # A candidate that ends has failed; promoting sets the policy.
        settings=replace(settings, restart="no"),
    )
    return sdk_arguments(container)


def sdk_arguments(container: Container) -> dict[str, Any]:
    """The container in the words of the SDK."""
    settings = container.settings
    return {
        "image": settings.image,
        "command": list(container.arguments),
        "name": container.name,
        "labels": dict(container.labels),
        "network": container.network,
        "ports": {f"{port.inside}/tcp": (container.host, port.public) for port in container.ports},
        "mounts": [_mount(bind) for bind in container.binds],
        "environment": dict(settings.environment),
        "init": True,
        "read_only": True,
        "tmpfs": {container.tmpfs: container.tmpfs_options},
        "cap_drop": list(container.cap_drop),
        "security_opt": list(container.security),
        "user": settings.user,
        "pids_limit": container.pids_limit,
        "restart_policy": {"Name": settings.restart},
        "healthcheck": _healthcheck(container.health),
        "log_config": {"Type": container.log_driver, "Config": dict(container.log_options)},
        "platform": settings.platform,
        **_limits(settings),
    }


def _mount(bind: Bind) -> Any:
    """Typed, so that a missing source is an error and not an empty folder."""
    from docker.types import Mount

    return Mount(target=bind.target, source=bind.source, type="bind", read_only=True)


def _healthcheck(health: Health) -> dict[str, Any]:
    return {
        "test": ["CMD-SHELL", health.command],
        "interval": health.interval * SECOND,
        "timeout": health.timeout * SECOND,
        "start_period": health.start_period * SECOND,
    }


def _limits(settings: Docker) -> dict[str, Any]:
    limits: dict[str, Any] = {}
    if settings.cpus is not None:
        limits["nano_cpus"] = int(settings.cpus * 10**9)
    if settings.memory is not None:
        limits |= {"mem_limit": settings.memory, "memswap_limit": settings.memory}
    if settings.shm_size is not None:
        limits["shm_size"] = settings.shm_size
    if settings.gpus is not None:
        from docker.types import DeviceRequest

        limits["device_requests"] = [DeviceRequest(count=settings.gpus, capabilities=[["gpu"]])]
    return limits


def deployment(listed: Mapping[str, Any]) -> Deployment:
    """A container as the engine's list shows it. Raises KeyError and ValueError where labels are missing or spoilt."""
    found = {name.removeprefix(LABEL): value for name, value in listed["Labels"].items() if name.startswith(LABEL)}
    host = url_host(found["host"])
    rest, grpc = int(found["own_rest_port"]), int(found["own_grpc_port"])
    serving = container_name(found["name"], found["env"])
    return Deployment(
        name=found["name"],
        env=found["env"],
        engine="docker",
        release=found["release"],
        role=SERVING if f"/{serving}" in listed["Names"] else CANDIDATE,
        models=_current_models(Path(found["folder"]), found["models"]),
        endpoints=Endpoints(f"http://{host}:{rest}", f"{host}:{grpc}"),
        rest_port=int(found["rest_port"]),
        grpc_port=int(found["grpc_port"]),
        server_digest=found["digest"],
        created=str(listed.get("Created", "")),
        running=listed["State"] == "running",
        pid=None,
        folder=Path(found["folder"]),
        image=found.get("image_digest", ""),
        image_id=found.get("image", ""),
        store=Path(found["store"]) if found.get("store") else None,
        under_way=run_folder.reload_under_way(Path(found["folder"])),
    )


def moved(attributes: Mapping[str, Any]) -> tuple[dict[str, Any], dict[str, Any]]:
    """Config and HostConfig of a container like the inspected one, on the deployment's own ports."""
    config, host = dict(attributes["Config"]), dict(attributes["HostConfig"])
    config["Labels"] = {
        **config["Labels"],
        f"{LABEL}own_rest_port": config["Labels"][f"{LABEL}rest_port"],
        f"{LABEL}own_grpc_port": config["Labels"][f"{LABEL}grpc_port"],
    }
    host["PortBindings"] = {
        REST: [{"HostIp": config["Labels"][f"{LABEL}host"], "HostPort": config["Labels"][f"{LABEL}rest_port"]}],
        GRPC: [{"HostIp": config["Labels"][f"{LABEL}host"], "HostPort": config["Labels"][f"{LABEL}grpc_port"]}],
    }
    return config, host


def _current_models(folder: Path, label: str) -> tuple[ServedModel, ...]:
    """Labels cannot change: what a reload changed stands beside the config that the container reads."""
    changed = folder / MODELS_FILE
    return models_from(changed.read_text() if changed.is_file() else label)
