"""The images of a Docker Engine: which it has, and how it gets those that it lacks."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from deployer.engines.docker.api import docker_errors
from deployer.engines.docker.image_pull import familiar_name, pull
from deployer.results.deployment import NamedImage

if TYPE_CHECKING:
    from deployer.engines.docker.host import DockerHost

ARCHITECTURES = {"x86_64": "amd64", "aarch64": "arm64"}
"""The kernel's names of processors, and those of images."""


@dataclass(frozen=True)
class DockerImages:
    """The Images of a Docker Engine."""

    host: DockerHost

    def find(self, names: Collection[str]) -> Mapping[str, NamedImage]:
        """One call, however many names there are."""
        ids = _ids_by_tag(self.host.client, [familiar_name(name) for name in names]) if names else {}
        return {name: NamedImage(name, ids[tag]) for name in names if (tag := familiar_name(name)) in ids}

    def current(self) -> NamedImage:
        """The image of new servers; without an id while the engine does not have it."""
        image = self.host.image
        return NamedImage(self.host.settings.image, "" if image is None else str(image.id))

    def pull(self, progress: Callable[[str], None]) -> None:
        """The server's image, and the gateway's where there is one."""
        settings, gateway = self.host.settings, self.host.gateway
        if self.host.image is None:
            self._pull(settings.image, progress)
            self.host.forget_image()
        if gateway.enabled and find_image(self.host.client, gateway.image) is None:
            self._pull(gateway.image, progress)

    def _pull(self, image: str, progress: Callable[[str], None]) -> None:
        settings = self.host.settings
        with docker_errors(f"pulling {image}"):
            pull(self.host.client, image, settings.platform, settings.pull_seconds, progress)


def find_image(client: Any, name: str) -> Any:
    """The engine's image of that name, or None."""
    import docker.errors

    with docker_errors(f"looking for image {name}"):
        try:
            return client.images.get(name)
        except docker.errors.ImageNotFound:
            return None


def architecture_mismatch(info: Mapping[str, Any], image: Any) -> str:
    """Why an image is for another processor than the engine's; empty where it is for the same one."""
    host = str(info.get("Architecture", ""))
    host, required = ARCHITECTURES.get(host, host), str(image.attrs.get("Architecture", ""))
    if not required or not host or required == host:
        return ""
    return f"the image is for {required}, and the engine's machine is {host}"


def _ids_by_tag(client: Any, tags: Sequence[str]) -> dict[str, str]:
    """The id of the image that each of these tags is on, of those that the engine has."""
    with docker_errors("listing images"):
        listed = client.api.images(filters={"reference": sorted(set(tags))})
    return {tag: str(image["Id"]) for image in listed for tag in image.get("RepoTags") or () if tag in tags}
