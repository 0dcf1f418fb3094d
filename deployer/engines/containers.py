"""What a model server's container is: labels, mounts, ports, limits, hardening. Plain data, nothing is done here."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from deployer.deployment import Deployment, Endpoints, Launch, ServedModel
from deployer.engines.base import CANDIDATE, SERVING
from deployer.engines.ports import url_host
from deployer.render import BATCHING, MODEL_CONFIG, MONITORING
from deployer.spec import Docker

LABEL = "deployer."
REST_PORT = "8501/tcp"
GRPC_PORT = "8500/tcp"
MODELS_MOUNT = "/models"
CONFIG_MOUNT = "/config"
PIDS_LIMIT = 4096
HEALTH_SECONDS = 10
# The image has bash and neither curl nor wget: a port that accepts a connection is what can be asked for.
HEALTH_COMMAND = ["CMD", "bash", "-c", "exec 3<>/dev/tcp/127.0.0.1/8501"]
MODELS_FILE = "models.json"
LOG_OPTIONS = {"max-size": "10m", "max-file": "3"}


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


def container_name(name: str, env: str, release: str | None = None) -> str:
    """`deployer-ENV-NAME` for the one that serves, with the release behind it for a candidate."""
    base = f"deployer-{env}-{name}"
    return f"{base}-candidate-{release}" if release else base


def arguments(launch: Launch) -> list[str]:
    """The server's flags, always `--name=value`. A bad model must fail in seconds, not after five minutes of tries."""
    flags: dict[str, str] = {
        "model_config_file": f"{CONFIG_MOUNT}/{MODEL_CONFIG}",
        "allow_version_labels_for_unavailable_models": "true",
        "max_num_load_retries": "0",
        **dict(launch.flags),
    }
    if BATCHING in launch.rendered.files:
        flags |= {"enable_batching": "true", "batching_parameters_file": f"{CONFIG_MOUNT}/{BATCHING}"}
    if MONITORING in launch.rendered.files:
        flags["monitoring_config_file"] = f"{CONFIG_MOUNT}/{MONITORING}"
    return [f"--{name}={value}" for name, value in flags.items()]


def labels(launch: Launch, place: Placement, image_id: str) -> dict[str, str]:
    """All that is known about the container, on the container."""
    return {
        f"{LABEL}name": launch.name,
        f"{LABEL}env": launch.env,
        f"{LABEL}release": place.release,
        f"{LABEL}digest": launch.server_digest,
        f"{LABEL}image": image_id,
        f"{LABEL}host": launch.host,
        f"{LABEL}rest_port": str(place.rest_port),
        f"{LABEL}grpc_port": str(place.grpc_port),
        f"{LABEL}own_rest_port": str(place.own_rest_port),
        f"{LABEL}own_grpc_port": str(place.own_grpc_port),
        f"{LABEL}folder": str(place.folder),
        f"{LABEL}models": models_text(launch.models),
    }


def creation(launch: Launch, place: Placement, settings: Docker, models_dir: Path, image_id: str) -> dict[str, Any]:
    """The keyword arguments with which the SDK creates the container.

    Hardened: read-only root, no capabilities, no new privileges, an unprivileged user, a limit on processes, a
    network of its own, an init that passes signals on (the image's bash would swallow them).
    """
    return {
        "image": settings.image,
        "command": arguments(launch),
        "name": place.container,
        "labels": labels(launch, place, image_id),
        "network": place.network,
        "ports": {REST_PORT: (launch.host, place.own_rest_port), GRPC_PORT: (launch.host, place.own_grpc_port)},
        "mounts": [_mount(models_dir, MODELS_MOUNT), _mount(place.folder / "config", CONFIG_MOUNT)],
        "environment": dict(settings.environment),
        "init": True,
        "read_only": True,
        "tmpfs": {"/tmp": "size=64m"},  # noqa: S108 - the container's own
        "cap_drop": ["ALL"],
        "security_opt": ["no-new-privileges"],
        "user": settings.user,
        "pids_limit": PIDS_LIMIT,
        "restart_policy": {"Name": "no"},  # a candidate that ends has failed; promoting sets the policy
        "healthcheck": _healthcheck(),
        "log_config": {"Type": "json-file", "Config": LOG_OPTIONS},
        "platform": settings.platform,
        **_limits(settings),
    }


def _mount(source: Path, target: str) -> Any:
    """Typed, so that a missing source is an error and not an empty folder."""
    from docker.types import Mount

    return Mount(target=target, source=str(source), type="bind", read_only=True)


def _healthcheck() -> dict[str, Any]:
    nanoseconds = HEALTH_SECONDS * 10**9
    return {"test": HEALTH_COMMAND, "interval": nanoseconds, "timeout": nanoseconds, "start_period": 30 * 10**9}


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


def models_text(models: tuple[ServedModel, ...]) -> str:
    """The models as the label and the state file hold them."""
    return json.dumps([[model.name, model.versions, model.labels, model.digests] for model in models])


def models_from(text: str) -> tuple[ServedModel, ...]:
    """The same read back."""
    return tuple(
        ServedModel(name, tuple(versions), tuple((label, version) for label, version in labelled), tuple(digests))
        for name, versions, labelled, digests in json.loads(text)
    )


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
        REST_PORT: [{"HostIp": config["Labels"][f"{LABEL}host"], "HostPort": config["Labels"][f"{LABEL}rest_port"]}],
        GRPC_PORT: [{"HostIp": config["Labels"][f"{LABEL}host"], "HostPort": config["Labels"][f"{LABEL}grpc_port"]}],
    }
    return config, host


def _current_models(folder: Path, label: str) -> tuple[ServedModel, ...]:
    """Labels cannot change: what a reload changed stands beside the config that the container reads."""
    changed = folder / MODELS_FILE
    return models_from(changed.read_text() if changed.is_file() else label)
