"""The images with models inside of one Docker Engine."""

from __future__ import annotations

import contextlib
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import docker.errors

from deployer.engines.docker.api import docker_errors
from deployer.engines.docker.images import find_image
from deployer.engines.docker.model_image import builder, labels, push
from deployer.engines.docker.model_image.assembly import ModelImage
from deployer.engines.docker.model_image.base_image import BaseImage
from deployer.engines.docker.model_image.extraction import Extraction
from deployer.engines.docker.model_image.labels import Contents
from deployer.engines.docker.model_image.loader import Loader
from deployer.errors import EngineError
from deployer.results.checks import Finding
from deployer.results.launch import Launch
from deployer.results.model import Model
from deployer.results.progress import Progress

if TYPE_CHECKING:
    from deployer.engines.docker.host import DockerHost


@dataclass(frozen=True)
class ModelImages:
    """Builds, names and pushes images on the engine of `host`."""

    host: DockerHost

    def assemble(self, launch: Launch, models: Sequence[Model]) -> ModelImage:
        """Return the image of a launch on the image of the settings, which the engine must have.

        Raises EngineError, BrokenModel, TemplateError.
        """
        settings = self.host.settings
        with docker_errors(f"looking at {settings.image}"):
            base = BaseImage.parse(self.host.client.api.inspect_image(settings.image))
        return builder.build(launch, models, settings, base, self.host.templates_dir)

    def has(self, image: str) -> bool:
        """Return whether the engine has an image of this name or id."""
        return find_image(self.host.client, image) is not None

    def load(self, image: ModelImage, progress: Progress) -> str:
        """Load an image without a name, and return its id on the engine. Raises EngineError, BrokenModel."""
        settings = self.host.settings
        return Loader(self.host.client, image, settings.image, settings.pull_seconds, progress).load()

    def name(self, image: str, name: str) -> str:
        """Give an image of the engine the name REPOSITORY:TAG, and return the id of the image that it named before.

        Raises EngineError.
        """
        before = find_image(self.host.client, name)
        repository, _, tag = name.rpartition(":")
        with docker_errors(f"naming the image {name}"):
            self.host.client.api.tag(image, repository, tag)
        return before.id if before and before.id != self.id(image) else ""

    def remove_unnamed(self, image: str) -> None:
        """Remove an image that has no name, unless a container uses it."""
        client = self.host.client.api
        with contextlib.suppress(EngineError, docker.errors.NotFound), docker_errors(f"removing {image}"):
            if not client.inspect_image(image).get("RepoTags"):
                client.remove_image(image)

    def contents(self, image: str) -> Contents:
        """Return what an image of the engine has inside. Raises EngineError for a missing image, and without models."""
        return labels.read(image, self._inspect(image).labels)

    def copy_models(self, image: str, versions: Collection[str], target: Path) -> None:
        """Copy NAME/VERSION for each of the versions out of an image, into a directory. Raises EngineError."""
        client, seconds = self.host.client, self.host.settings.pull_seconds
        with docker_errors(f"looking at {image}"):
            limit = int(client.api.inspect_image(image)["Size"])
        Extraction(client, image, seconds, limit).run(versions, target)

    def id(self, image: str) -> str:
        """Return the id of an image of the engine. Raises EngineError."""
        return self._inspect(image).id

    def digests(self, image: str) -> tuple[str, ...]:
        """Return REPOSITORY@DIGEST for each registry that is known to have an image of the engine."""
        found = find_image(self.host.client, image)
        return found.digests if found else ()

    def digest_in(self, repository: str, image: str) -> str:
        """Return the digest by which a repository is known to have an image of the engine; empty if it is not."""
        found = find_image(self.host.client, image)
        resolved = found.resolved(repository) if found else ""
        return resolved.partition("@")[2]

    def is_in_registry(self, reference: str) -> bool:
        """Return whether a registry still has REPOSITORY@DIGEST."""
        return push.is_in_registry(self.host.client, reference)

    def registry_finding(self, repository: str) -> Finding:
        """Check whether the engine reaches the registry of a repository with the user's credentials."""
        return push.registry_finding(self.host.client, repository)

    def push(self, name: str, progress: Progress) -> str:
        """Push REPOSITORY:TAG, and return the digest by which its registry knows it. Raises EngineError."""
        return push.push(self.host.client, name, self.host.settings.pull_seconds, progress)

    def _inspect(self, image: str) -> BaseImage:
        with docker_errors(f"looking at {image}"):
            try:
                return BaseImage.parse(self.host.client.api.inspect_image(image))
            except docker.errors.ImageNotFound as error:
                raise EngineError(
                    f"the engine has no image {image}", hint="docker images lists those that it has"
                ) from error
