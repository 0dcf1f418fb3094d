"""What every table of the document is written with: fields with help texts, and checks that several share."""

from __future__ import annotations

import math
import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import field
from typing import Any

from deployer.errors import InvalidValue

STRICT = {"extra": "forbid"}
IMAGE = re.compile(r"[a-z0-9][A-Za-z0-9._/:@-]{0,254}")


def doc(text: str, **more: Any) -> Any:
    """A field with its help text, which the reference and the schema show."""
    return field(metadata={"doc": text}, **more)


@contextmanager
def at(*place: str) -> Iterator[None]:
    """Name the key that is being checked in an InvalidValue."""
    try:
        yield
    except InvalidValue as error:
        error.place = (*place, *error.place)
        raise


def check_positive(name: str, value: float) -> None:
    """Raises InvalidValue for what is no number above 0, or endless."""
    if not 0 < value < math.inf:
        raise InvalidValue(f"{name} {value:g} must be above 0 and finite", place=(name,))


def check_whole(name: str, value: int, least: int, most: int) -> None:
    """Raises InvalidValue for a number outside of what works."""
    if not least <= value <= most:
        raise InvalidValue(f"{name} {value} must be an integer from {least} to {most}", place=(name,))


def check_image(name: str) -> None:
    """Raises InvalidValue for what no registry could have."""
    if not IMAGE.fullmatch(name):
        raise InvalidValue(f"image {name[:80]!r} is not an image name", place=("image",))
