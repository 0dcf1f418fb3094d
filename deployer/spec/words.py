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
SIZE = re.compile(r"[1-9][0-9]{0,15}[bkmgBKMG]?")


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


def check_size(name: str, size: str | None, such_as: str) -> None:
    """Raises InvalidValue for what is no number of bytes with or without a unit; none is fine."""
    if size is not None and not SIZE.fullmatch(size):
        raise InvalidValue(f"{name} {size[:20]!r} is not a size such as {such_as}", place=(name,))


def size_in_bytes(size: str | None) -> int | None:
    """A checked size as a number; None without one."""
    if size is None:
        return None
    unit = size[-1].lower()
    return int(size) if unit.isdigit() else int(size[:-1]) << 10 * "bkmg".index(unit)
