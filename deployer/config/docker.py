"""The settings of containers: `[docker]`."""

from __future__ import annotations

import difflib
import re
from dataclasses import dataclass
from typing import ClassVar, Literal, get_args

from deployer.config.engine_address import parse_address
from deployer.config.fields import STRICT, at, check_image, check_positive, doc, unset_zeros, with_default
from deployer.config.options import DockerOptions
from deployer.config.sizes import check_size, size_in_bytes
from deployer.errors import InvalidValue

RestartPolicy = Literal["no", "on-failure", "always", "unless-stopped"]
USER = re.compile(r"[0-9]{1,10}(:[0-9]{1,10})?")
# TensorFlow Serving's own image by tag. A digest says nothing about the image.
STOCK_IMAGE = re.compile(r"(?P<name>((index\.)?docker\.io/)?tensorflow/serving)(:(?P<tag>[^@/]+))?")
PLATFORM = re.compile(r"[a-z0-9]{1,20}/[a-z0-9_]{1,20}(/[a-z0-9.]{1,20})?")
# The architectures of Linux images, each with its variants.
ARCHITECTURES: dict[str, tuple[str, ...]] = {
    "amd64": ("v1", "v2", "v3", "v4"),
    "arm64": ("v8",),
    "arm": ("v5", "v6", "v7", "v8"),
    "386": (),
    "ppc64le": (),
    "riscv64": (),
    "s390x": (),
}
VARIABLE = re.compile(r"[A-Za-z_][A-Za-z0-9_.-]{0,254}")


@dataclass(frozen=True)
class Docker(DockerOptions):
    """Containers of the Docker engine: `[docker]`."""

    __pydantic_config__: ClassVar[dict[str, str]] = STRICT

    host: str | None = doc(
        "address of the Docker Engine, such as unix:///run/user/1000/docker.sock, ssh://user@host or tcp://host:2376; "
        "unset: DOCKER_HOST, or the current docker context",
        default=None,
    )
    image: str = with_default(DockerOptions, "image", "tensorflow/serving:2.20.0")
    platform: str | None = doc("the image's platform, such as linux/amd64", default=None)
    pull_seconds: float = doc("how long a pull, a push or the loading of an image may take", default=900.0)
    shm_size: str | None = doc("size of /dev/shm, such as 64m", default=None)
    environment: dict[str, str] = doc(
        "environment variables of the server; the values of `${NAME}` in them are secret", default_factory=dict
    )
    user: str = with_default(DockerOptions, "user", "65534:65534")
    restart: RestartPolicy = doc("restart policy of the server's container", default="unless-stopped")

    def __post_init__(self) -> None:
        unset_zeros(self, "memory", "cpus", "gpus")
        if self.host is not None:
            with at("host"):
                parse_address(self.host)
        check_image(self.image)
        _check_platform(self.platform)
        check_positive("pull_seconds", self.pull_seconds)
        self._check_limits()
        for name, value in self.environment.items():
            _check_variable(name, value)
        if not USER.fullmatch(self.user):
            raise InvalidValue(f"user {self.user[:20]!r} is not of the form uid or uid:gid", key_path=("user",))
        if self.restart not in get_args(RestartPolicy):
            reason = f"restart: should be one of {', '.join(get_args(RestartPolicy))}, not {self.restart!r}"
            raise InvalidValue(reason, key_path=("restart",))

    @property
    def memory_bytes(self) -> int | None:
        """The memory limit in bytes; None without a limit."""
        return None if self.memory is None else size_in_bytes(self.memory)

    @property
    def shm_bytes(self) -> int | None:
        """The size of /dev/shm in bytes; None if it is not set."""
        return None if self.shm_size is None else size_in_bytes(self.shm_size)

    def _check_limits(self) -> None:
        if self.cpus is not None:
            check_positive("cpus", self.cpus)
        for name in ("memory", "shm_size"):
            check_size(f"docker.{name}", getattr(self, name))
        if self.gpus is not None and self.gpus < -1:
            reason = f"gpus {self.gpus} must be a number above 0, 0 for none, or -1 for all"
            raise InvalidValue(reason, key_path=("gpus",))
        if self.image != type(self).image:  # the default gives way to the image that a deployment has
            self.check_gpus()

    def check_gpus(self) -> None:
        """Raise InvalidValue for GPUs with an image of TensorFlow Serving without support for them, by its tag."""
        if self.gpus is not None:
            _check_gpu_image(self.image)


def serving_tag(image: str) -> str | None:
    """Return the tag of TensorFlow Serving's own image; None for another image or a digest."""
    match = STOCK_IMAGE.fullmatch(image)
    return match["tag"] if match else None


def _check_gpu_image(image: str) -> None:
    """Raise InvalidValue for a TensorFlow Serving image without GPU support. Other images pass."""
    match = STOCK_IMAGE.fullmatch(image)
    if match is None or "gpu" in (tag := match["tag"] or "latest"):
        return
    raise InvalidValue(
        f"the image {image} computes on the CPU alone",
        hint=f'docker.image = "{match["name"]}:{tag}-gpu" or --image {match["name"]}:{tag}-gpu, or no gpus',
        key_path=("image",),
    )


def _check_variable(name: str, value: str) -> None:
    if not VARIABLE.fullmatch(name) or "\0" in value:
        reason = f"environment variable {name[:40]!r} is no name, or its value none that a process can have"
        raise InvalidValue(reason, key_path=("environment", name[:40]))


def _check_platform(platform: str | None) -> None:
    """Raise InvalidValue for a platform that no model server runs on."""
    if platform is None:
        return
    system, *rest = platform.split("/")
    fault = ""
    if not PLATFORM.fullmatch(platform):
        fault = "is not of the form os/architecture[/variant]"
    elif system != "linux":
        fault = "is not Linux, which model servers and the gateway need"
    elif rest[0] not in ARCHITECTURES:
        fault = f"has no architecture that is known: {', '.join(ARCHITECTURES)}"
    elif len(rest) == 2 and rest[1] not in ARCHITECTURES[rest[0]]:
        known = ", ".join(ARCHITECTURES[rest[0]]) or "none"
        fault = f"has no variant that {rest[0]} is known to have: {known}"
    if fault:
        platforms = [f"linux/{name}" for name in ARCHITECTURES]
        matches = difflib.get_close_matches(platform.lower(), platforms, n=1, cutoff=0.6)
        hint = f"did you mean {matches[0]}?" if matches else "linux/amd64, or linux/arm64/v8"
        raise InvalidValue(f"platform {platform[:40]!r} {fault}", hint=hint, key_path=("platform",))
