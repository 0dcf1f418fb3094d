"""The name of an image with models inside."""

from __future__ import annotations

import re

from deployer.config.image import is_repository
from deployer.errors import InvalidValue
from deployer.results.launch import digest
from deployer.results.served import ServedModel, models_text

TAG = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.-]{0,127}")


def image_name(requested: str | None, project: str, name: str, models: tuple[ServedModel, ...]) -> str:
    """Return REPOSITORY:TAG for an image with these models.

    `requested` is a repository, with or without a tag; by default, the repository is PROJECT/NAME. The tag is the
    version by default; of several versions, a digest of models, versions and labels. Raises InvalidValue.
    """
    single = len(models) == 1 and len(models[0].versions) == 1
    tag = str(models[0].versions[0]) if single else digest(models_text(models))
    return check_name(with_tag(requested or f"{project}/{name}".lower(), tag))


def with_tag(name: str, tag: str) -> str:
    """Return REPOSITORY:TAG for REPOSITORY[:TAG]; `tag` is the one that a name without a tag gets."""
    _, colon, tail = name.rpartition(":")
    return name if colon and "/" not in tail else f"{name}:{tag}"


def check_name(name: str) -> str:
    """Return REPOSITORY:TAG if registries and engines accept it. Raises InvalidValue."""
    repository, _, tag = name.rpartition(":")
    if not is_repository(repository) or not TAG.fullmatch(tag):
        raise InvalidValue(
            f"{name[:80]!r} is not a name for an image: REPOSITORY:TAG, the repository in lower case",
            hint="for example --tag registry.example.com/team/digits:3",
        )
    return name
