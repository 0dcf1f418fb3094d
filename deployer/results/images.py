"""Results of the commands for images with models inside."""

from __future__ import annotations

from dataclasses import dataclass

from deployer.results.checks import Report
from deployer.results.served import ServedModel


@dataclass(frozen=True)
class ImageBuilt:
    """An image with models inside, on the Docker Engine; `created` is False if it was there already."""

    image: str
    """Its name, REPOSITORY:TAG."""

    id: str
    """The digest of its configuration; equal inputs give an equal id."""

    base: str
    """The image that it is built on."""

    models: tuple[ServedModel, ...]
    size_bytes: int
    """What it adds to the base image."""

    created: bool
    digests: tuple[str, ...]
    """REPOSITORY@DIGEST for each registry that has it, as far as the engine knows."""

    report: Report | None
    """The verification; None if it was skipped."""

    notices: tuple[str, ...] = ()


@dataclass(frozen=True)
class ImagePushed:
    """An image that a registry has."""

    image: str
    """Its name, REPOSITORY:TAG."""

    id: str
    digest: str
    """The digest of its manifest."""

    reference: str
    """REPOSITORY@DIGEST, which always means this image."""

    notices: tuple[str, ...] = ()
