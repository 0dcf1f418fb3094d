"""The description of an image with models inside, for this tool and for the rendered Dockerfile."""

from __future__ import annotations

from dataclasses import dataclass, field

from deployer.config.spec import Docker
from deployer.engines.docker.container_spec import CONFIG_MOUNT, Health, server_arguments
from deployer.engines.docker.model_image.labels import OCI, Contents
from deployer.engines.docker.names import MODELS_MOUNT
from deployer.engines.docker.sdk_arguments import SECOND
from deployer.results.deployment import GRPC_PORT, REST_PORT
from deployer.results.launch import BATCHING_CONFIG, MONITORING_CONFIG, Launch

HEALTH_CHECK = "healthcheck.sh"


@dataclass(frozen=True)
class ImageDescription:
    """An image: its base, the versions below `root`, labels, and how a container of it runs."""

    base: str
    model_paths: tuple[str, ...]
    labels: dict[str, str] = field(hash=False)
    user: str
    arguments: tuple[str, ...]
    root: str = MODELS_MOUNT
    config_dir: str = CONFIG_MOUNT
    ports: tuple[str, ...] = (f"{GRPC_PORT}/tcp", f"{REST_PORT}/tcp")
    health: Health = field(default_factory=Health)

    @property
    def health_command(self) -> list[str]:
        """The command of the health check."""
        return ["bash", f"{self.config_dir}/{HEALTH_CHECK}"]

    @property
    def config(self) -> dict[str, object]:
        """The image's configuration as engines know it, without labels; times are in nanoseconds."""
        return {
            "User": self.user,
            "Cmd": list(self.arguments),
            "ExposedPorts": {port: {} for port in self.ports},
            "Healthcheck": {
                "Test": ["CMD", *self.health_command],
                "Interval": self.health.interval * SECOND,
                "Timeout": self.health.timeout * SECOND,
                "StartPeriod": self.health.start_period * SECOND,
            },
        }


def describe(launch: Launch, settings: Docker) -> ImageDescription:
    """Return the image of a launch.

    The variables of `docker.environment` stay out of it: they may be secrets.
    """
    return ImageDescription(
        base=settings.image,
        model_paths=tuple(f"{model.name}/{version}" for model in launch.models for version in model.versions),
        labels={**contents_of(launch).labels(), **_oci_labels(launch, settings.image)},
        user=settings.user,
        arguments=tuple(server_arguments(launch)),
    )


def contents_of(launch: Launch) -> Contents:
    """Return what the image of a launch has inside."""
    files = {"batching": BATCHING_CONFIG, "monitoring": MONITORING_CONFIG}
    tables = tuple(table for table, name in files.items() if name in launch.rendered.files)
    return Contents(launch.name, launch.models, launch.flags, tables)


def _oci_labels(launch: Launch, image: str) -> dict[str, str]:
    """Return the labels of the OCI's image specification. The digest of the base image is the one that its name has.

    Digests that an engine learns from a registry are left out: they differ from engine to engine.
    """
    name, at, digest = image.partition("@")
    versions = [str(version) for model in launch.models for version in model.versions]
    return {
        f"{OCI}title": launch.name,
        f"{OCI}description": f"A model server with {', '.join(map(str, launch.models))}",
        f"{OCI}base.name": name,
        **({f"{OCI}base.digest": digest} if at else {}),
        **({f"{OCI}version": versions[0]} if len(versions) == 1 else {}),
    }
