"""What every table of the document is written with: fields with help texts, and checks that several share."""

from __future__ import annotations

import dataclasses
import math
import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import field
from typing import Any, NamedTuple

from deployer.errors import InvalidValue

STRICT = {"extra": "forbid"}
IMAGE = re.compile(r"[a-z0-9][A-Za-z0-9._/:@-]{0,254}")


class Group(NamedTuple):
    """Options that a command takes together; `--help` shows them in a panel. Those that are `always` taken need no
    mention by a command."""

    name: str
    panel: str
    always: bool = False


class Option(NamedTuple):
    """How a field is typed on the command line.

    `parse` makes the field's value of the text, of the list of texts where the option is `repeated`. Two fields may
    have one spelling: each parses its own part of what was typed.
    """

    group: Group
    names: tuple[str, ...]
    help: str
    metavar: str | None
    repeated: bool
    parse: Callable[[Any], Any] | None


def doc(  # noqa: PLR0913 - what a field can say of itself
    text: str,
    group: Group | None = None,
    *,
    names: str = "",
    metavar: str | None = None,
    help: str = "",  # noqa: A002 - as Typer calls it
    repeated: bool = False,
    parse: Callable[[Any], Any] | None = None,
    **more: Any,
) -> Any:
    """A field with its text, which the reference, the schema and `--help` show.

    With a `group` it is an option, too: spelled like the field unless `names` says otherwise ("--quiet -q"), with the
    text as its help unless `help` is another.
    """
    metadata: dict[str, Any] = {"doc": text}
    if group is not None:
        metadata["option"] = Option(group, tuple(names.split()), help or text, metavar, repeated, parse)
    return field(metadata=metadata, **more)


def with_default(base: Any, name: str, default: Any) -> Any:
    """A field of a base again, with another default."""
    return field(metadata=base.__dataclass_fields__[name].metadata, default=default)


def own_fields_first(kind: Any) -> list[dataclasses.Field[Any]]:
    """The fields of a dataclass for readers: its own before those of its bases."""
    return sorted(dataclasses.fields(kind), key=lambda each: each.name not in kind.__annotations__)


def option_name(kind: Any, name: str) -> str:
    """The option that sets a field, as it is typed."""
    option: Option | None = kind.__dataclass_fields__[name].metadata.get("option")
    return option.names[0].partition("/")[0] if option and option.names else f"--{name.replace('_', '-')}"


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
