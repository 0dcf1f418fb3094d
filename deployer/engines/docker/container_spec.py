"""What a model server's container is, whoever makes it: the SDK, a compose file, a shell script. Plain data."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from deployer.config.render import BATCHING, MONITORING
from deployer.config.spec import Docker
from deployer.config.threads import REASON
from deployer.engines.docker.names import LABEL, MODELS_MOUNT, PROJECT, container_name
from deployer.results.deployment import GRPC_PORT, MODEL_CONFIG, REST_PORT, Launch, models_text

CONFIG_MOUNT = "/config"


@dataclass(frozen=True)
class Bind:
    """A folder of the engine's machine that the container may read and not write."""

    source: str
    target: str


@dataclass(frozen=True)
class Port:
    """One of the container's ports, and the one of the engine's machine that leads to it; 0 is any free one."""

    public: int
    inside: int


@dataclass(frozen=True)
class Health:
    """How the engine asks whether the server is well, in seconds.

    The image has bash and neither curl nor wget: a port that accepts a connection is what can be asked for.
    """

    command: str = f"bash -c 'exec 3<>/dev/tcp/127.0.0.1/{REST_PORT}'"
    interval: int = 10
    timeout: int = 10
    start_period: int = 30


@dataclass(frozen=True)
class ContainerSpec:
    """One model server's container.

    Hardened: read-only root, no capabilities, no new privileges, an unprivileged user, a limit on processes, a
    network of its own, an init that passes signals on (the image's bash would swallow them).
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
    health: Health = field(default_factory=Health)
    threads_reason: str = REASON
    log_driver: str = "json-file"
    log_options: Mapping[str, str] = field(default_factory=lambda: {"max-size": "10m", "max-file": "3"})


def standalone(launch: Launch, settings: Docker, models_dir: Path, config_dir: str) -> ContainerSpec:
    """The container of a launch as whoever starts it by hand has it: no release, so that no verb takes it for its own.

    Ports that are left open are the usual ones; nobody looks whether they are free.
    """
    rest = REST_PORT if launch.rest_port is None else launch.rest_port
    grpc = GRPC_PORT if launch.grpc_port is None else launch.grpc_port
    name = container_name(launch.project, launch.name, launch.env)
    return ContainerSpec(
        name=name,
        network=name,
        arguments=tuple(arguments(launch)),
        labels=deployment_labels(launch),
        host=launch.host,
        ports=(Port(rest, REST_PORT), Port(grpc, GRPC_PORT)),
        binds=binds(models_dir, config_dir),
        settings=settings,
    )


def binds(models_dir: Path, config_dir: str) -> tuple[Bind, ...]:
    """The store, and the folder (not the file: that would pin its inode) of what the server reads."""
    return Bind(str(models_dir), MODELS_MOUNT), Bind(config_dir, CONFIG_MOUNT)


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


def deployment_labels(launch: Launch) -> dict[str, str]:
    """The labels that say what is served under which name."""
    project = {PROJECT: launch.project} if launch.project else {}
    return {
        **project,
        f"{LABEL}name": launch.name,
        f"{LABEL}env": launch.env,
        f"{LABEL}digest": launch.server_digest,
        f"{LABEL}host": launch.host,
        f"{LABEL}models": models_text(launch.models),
    }
