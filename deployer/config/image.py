"""The settings of images with models inside: `[image]`."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import ClassVar

from deployer.config.fields import STRICT, doc
from deployer.errors import InvalidValue

COMPONENT = r"[a-z0-9]+(?:(?:[._]|__|-+)[a-z0-9]+)*"
WORD = r"[A-Za-z0-9](?:[A-Za-z0-9-]*[A-Za-z0-9])?"
HOST = rf"(?:localhost|{WORD}(?:\.{WORD})+|(?:{WORD}|\[[0-9a-fA-F:.]+\])(?=:[0-9]))(?::[0-9]{{1,5}})?"
"""A registry. A name without dot and port is part of the repository, but for localhost."""
REPOSITORY = re.compile(rf"(?:{HOST}/)?{COMPONENT}(?:/{COMPONENT})*")
MAX_REPOSITORY = 255


@dataclass(frozen=True)
class Image:
    """Images with the models inside, which `image build` makes: `[image]`."""

    __pydantic_config__: ClassVar[dict[str, str]] = STRICT

    repository: str | None = doc(
        "repository of the image, with the registry's host in front; unset: PROJECT/NAME", default=None
    )

    def __post_init__(self) -> None:
        if self.repository is not None and not is_repository(self.repository):
            raise InvalidValue(
                f"{self.repository[:80]!r} is no repository of images, in lower case and without a tag",
                hint="such as registry.example.com/team/digits",
                key_path=("repository",),
            )


def is_repository(name: str) -> bool:
    """Return whether registries and engines accept the name of a repository."""
    return len(name) <= MAX_REPOSITORY and REPOSITORY.fullmatch(name) is not None
