"""Fields of the tables of `deployer.toml`, with their help texts and options, and checks that several tables share."""

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
ZERO_SIZE = re.compile(r"0+[bkmgBKMG]?")
IMAGE = re.compile(r"[a-z0-9][A-Za-z0-9._/:@-]{0,254}")

PREFIX = "DEPLOYER_"
"""What the variables that set options begin with."""


class Group(NamedTuple):
    """Options that a command takes together, in a panel of `--help`. Every command takes the `always` groups."""

    name: str
    panel: str
    always: bool = False


class Option(NamedTuple):
    """A field as an option of the command line.

    `parse` takes the text that was typed, or the list of texts of a `repeated` option, and returns the field's value.
    Two fields may share a spelling: each parses its own part of the texts.
    """

    group: Group
    names: tuple[str, ...]
    help: str
    metavar: str | None
    repeated: bool
    parse: Callable[[Any], Any] | None


def doc(  # noqa: PLR0913 - all that a field declares
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
    """Return a dataclass field with a text for the reference, the schema and `--help`.

    With a `group` it is also an option, spelled like the field unless `names` are given ("--quiet -q"). `help` replaces
    the text in `--help`.
    """
    metadata: dict[str, Any] = {"doc": text}
    if group is not None:
        metadata["option"] = Option(group, tuple(names.split()), help or text, metavar, repeated, parse)
    return field(metadata=metadata, **more)


def with_default(base: Any, name: str, default: object) -> Any:
    """Return a field of a base class with another default."""
    return field(metadata=base.__dataclass_fields__[name].metadata, default=default)


def own_fields_first(kind: Any) -> list[dataclasses.Field[Any]]:
    """Return the fields of a dataclass, its own before those of its bases."""
    return sorted(dataclasses.fields(kind), key=lambda each: each.name not in kind.__annotations__)


def variable_name(name: str) -> str:
    """Return the variable that sets an option of the top level, such as `DEPLOYER_PROJECT`."""
    return f"{PREFIX}{name.upper()}"


def option_name(kind: Any, name: str) -> str:
    """Return the option that sets a field, such as `--rest-port`."""
    option: Option | None = kind.__dataclass_fields__[name].metadata.get("option")
    return option.names[0].partition("/")[0] if option and option.names else f"--{name.replace('_', '-')}"


@contextmanager
def at(*key_path: str) -> Iterator[None]:
    """Put the key that the block checks in front of the key path of an InvalidValue."""
    try:
        yield
    except InvalidValue as error:
        error.key_path = (*key_path, *error.key_path)
        raise


def unset_zeros(table: Any, *names: str) -> None:
    """Set limits of a new frozen table that are 0 to None: 0 means no limit, as in `docker run`."""
    for name in names:
        value = getattr(table, name)
        if ZERO_SIZE.fullmatch(value) if isinstance(value, str) else value == 0:
            object.__setattr__(table, name, None)


def check_positive(name: str, value: float) -> None:
    """Raise InvalidValue unless the value is finite and above 0."""
    if not 0 < value < math.inf:
        raise InvalidValue(f"{name} {value:g} must be above 0 and finite", key_path=(name,))


def check_whole(name: str, value: int, minimum: int, maximum: int) -> None:
    """Raise InvalidValue unless the value is within the range."""
    if not minimum <= value <= maximum:
        raise InvalidValue(f"{name} {value} must be an integer from {minimum} to {maximum}", key_path=(name,))


def check_image(name: str) -> None:
    """Raise InvalidValue for a malformed image name."""
    if not IMAGE.fullmatch(name):
        raise InvalidValue(f"image {name[:80]!r} is not an image name", key_path=("image",))
