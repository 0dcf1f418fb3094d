"""The images of a Docker Engine: look them up and pull them."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import docker.errors
from docker import DockerClient

from deployer.engines.docker.api import docker_errors
from deployer.engines.docker.image_pull import GATEWAY_SETTING, SERVER_SETTING, familiar_name, pull
from deployer.engines.docker.inspection import EngineInfo, Image
from deployer.results.launch import NamedImage
from deployer.results.progress import Progress

if TYPE_CHECKING:
    from deployer.engines.docker.host import DockerHost

TARGET = "the target"
"""What names an image with the models inside: no setting does."""
ARCHITECTURES = {"x86_64": "amd64", "aarch64": "arm64"}
"""The kernel's names of architectures, and Docker's."""


@dataclass(frozen=True)
class DockerImages:
    """The Images of a Docker Engine."""

    host: DockerHost

    def find(self, names: Collection[str]) -> Mapping[str, NamedImage]:
        ids = _ids_by_tag(self.host.client, [familiar_name(name) for name in names]) if names else {}
        return {name: NamedImage(name, ids[tag]) for name in names if (tag := familiar_name(name)) in ids}

    def current(self) -> NamedImage:
        image = self.host.image
        return NamedImage(self.host.settings.image, "" if image is None else image.id)

    def gateway(self) -> NamedImage | None:
        gateway = self.host.gateway
        if not gateway.enabled:
            return None
        image = find_image(self.host.client, gateway.image)
        return NamedImage(gateway.image, "" if image is None else image.id)

    def pull(self, progress: Progress) -> None:
        """Pull the server's image and, if there is one, the gateway's."""
        settings, gateway = self.host.settings, self.gateway()
        if self.host.image is None:
            self._pull(settings.image, progress, TARGET if self.host.in_image else SERVER_SETTING)
            self.host.forget_image()
        if gateway is not None and not gateway.id:
            self._pull(gateway.name, progress, GATEWAY_SETTING)

    def _pull(self, image: str, progress: Progress, setting: str = SERVER_SETTING) -> None:
        settings = self.host.settings
        with docker_errors(f"pulling {image}"):
            pull(self.host.client, image, settings.platform, settings.pull_seconds, progress, setting)


def find_image(client: DockerClient, name: str) -> Image | None:
    """Return the engine's image of that name, or None."""
    with docker_errors(f"looking for image {name}"):
        try:
            return Image.parse(client.images.get(name).attrs)
        except docker.errors.ImageNotFound:
            return None


def architecture_mismatch(info: EngineInfo, image: Image) -> str:
    """Return that an image is for another architecture than the engine's; empty if it is not."""
    host, required = ARCHITECTURES.get(info.architecture, info.architecture), image.architecture
    if not required or not host or required == host:
        return ""
    return f"the image is for {required}, and the engine's machine is {host}"


def _ids_by_tag(client: DockerClient, tags: Sequence[str]) -> dict[str, str]:
    """Return the image id of each of these tags that the engine has."""
    with docker_errors("listing images"):
        listed = client.api.images(filters={"reference": sorted(set(tags))})
    return {tag: str(image["Id"]) for image in listed for tag in image.get("RepoTags") or () if tag in tags}
