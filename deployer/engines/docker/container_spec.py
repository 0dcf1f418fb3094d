"""The specification of a model server's container, from which the SDK's arguments and rendered files are made."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from deployer.config.spec import Docker
from deployer.config.threads import REASON
from deployer.engines.docker.names import LABEL, MODELS_MOUNT, PROJECT, container_name
from deployer.results.deployment import GRPC_PORT, REST_PORT
from deployer.results.launch import BATCHING_CONFIG, MODEL_CONFIG, MONITORING_CONFIG, Launch
from deployer.results.served import models_text

CONFIG_MOUNT = "/config"


@dataclass(frozen=True)
class Bind:
    """A directory of the engine's machine, or a volume of the engine, that is mounted read-only."""

    source: str
    target: str
    kind: Literal["bind", "volume"] = "bind"


@dataclass(frozen=True)
class Mounts:
    """What a server of a store mounts, and where it then finds its configuration."""

    store: Path
    binds: tuple[Bind, ...]
    config_dir: str


@dataclass(frozen=True)
class Port:
    """A published port: `public` on the engine's machine, or any free one for 0, leads to `inside` in the container."""

    public: int
    inside: int


@dataclass(frozen=True)
class Health:
    """The container's health check, with times in seconds: a TCP connection to the REST port."""

    # The image has bash, and neither curl nor wget.
    command: str = f"bash -c 'exec 3<>/dev/tcp/127.0.0.1/{REST_PORT}'"
    interval: int = 10
    timeout: int = 10
    start_period: int = 30


@dataclass(frozen=True)
class ContainerSpec:
    """The container of one model server.

    It is hardened: a read-only root file system, no capabilities, no new privileges, an unprivileged user, a limit on
    processes, a network of its own, and an init process that forwards signals, which the image's bash does not.
    """

    name: str
    network: str
    arguments: tuple[str, ...]
    labels: Mapping[str, str]
    host: str
    ports: tuple[Port, ...]
    binds: tuple[Bind, ...]
    settings: Docker
    tmpfs: str = "/tmp"  # noqa: S108 - the container's own
    tmpfs_options: str = "size=64m"
    cap_drop: tuple[str, ...] = ("ALL",)
    security: tuple[str, ...] = ("no-new-privileges",)
    pids_limit: int = 4096
    health: Health | None = field(default_factory=Health)
    """None for the health check of the image."""

    threads_reason: str = REASON
    log_driver: str = "json-file"
    log_options: Mapping[str, str] = field(default_factory=lambda: {"max-size": "10m", "max-file": "3"})


def standalone(launch: Launch, settings: Docker, models_dir: Path, config_dir: str) -> ContainerSpec:
    """Return the container of a launch for a user who starts it without this tool.

    It has no release label, so commands do not take it for a server of the tool. Ports that the settings leave open are
    the default ones; whether they are free is not checked.
    """
    rest = REST_PORT if launch.rest_port is None else launch.rest_port
    grpc = GRPC_PORT if launch.grpc_port is None else launch.grpc_port
    name = container_name(launch.project, launch.name, launch.env)
    return ContainerSpec(
        name=name,
        network=name,
        arguments=tuple(server_arguments(launch)),
        labels=deployment_labels(launch),
        host=launch.host,
        ports=(Port(rest, REST_PORT), Port(grpc, GRPC_PORT)),
        binds=binds(models_dir, config_dir),
        settings=settings,
    )


def binds(models_dir: Path, config_dir: str) -> tuple[Bind, ...]:
    """Return the bind mounts of the store and of the configuration directory."""
    # The configuration's directory: a mounted file would be pinned to its inode.
    return Bind(str(models_dir), MODELS_MOUNT), Bind(config_dir, CONFIG_MOUNT)


def server_arguments(launch: Launch, config_dir: str = CONFIG_MOUNT) -> list[str]:
    """Return the server's flags as `--name=value`; it finds its configuration in `config_dir`."""
    flags: dict[str, str] = {
        "model_config_file": f"{config_dir}/{MODEL_CONFIG}",
        "allow_version_labels_for_unavailable_models": "true",
        "max_num_load_retries": "0",  # a broken model fails in seconds, not after five minutes of retries
        **dict(launch.flags),
    }
    if BATCHING_CONFIG in launch.rendered.files:
        flags |= {"enable_batching": "true", "batching_parameters_file": f"{config_dir}/{BATCHING_CONFIG}"}
    if MONITORING_CONFIG in launch.rendered.files:
        flags["monitoring_config_file"] = f"{config_dir}/{MONITORING_CONFIG}"
    return [f"--{name}={value}" for name, value in flags.items()]


def deployment_labels(launch: Launch) -> dict[str, str]:
    """Return the labels with the deployment's name, address and models."""
    project = {PROJECT: launch.project} if launch.project else {}
    return {
        **project,
        f"{LABEL}name": launch.name,
        f"{LABEL}env": launch.env,
        f"{LABEL}digest": launch.server_digest,
        f"{LABEL}host": launch.host,
        f"{LABEL}models": models_text(launch.models),
    }
