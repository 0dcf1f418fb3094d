"""Reading the command line by TensorFlow's rules, which are not argparse's.

Source: `tensorflow/core/util/command_line_flags.cc` and `tensorflow_serving/model_servers/main.cc`. A flag is
`--name=value`; anything unknown, and all from `--` on, is printed and ignored; a bad value of a known flag is an error;
the last one wins.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence

from deployer.server.flag_table import FLAGS, Flag, Value

_INTEGER = re.compile(r"[+-]?[0-9]+")
_BOOLEANS = {"true": True, "1": True, "false": False, "0": False}


class UsageError(Exception):
    """A known flag has a value that it cannot take."""


class Options:
    """The value of every flag, and which of them the command line set."""

    def __init__(self, values: Mapping[str, Value], given: frozenset[str], unknown: tuple[str, ...] = ()) -> None:
        self._values = dict(values)
        self.given = given
        self.unknown = unknown

    def text(self, name: str) -> str:
        """Return a string flag."""
        return str(self._values[name])

    def number(self, name: str) -> int:
        """Return an integer flag."""
        return int(self._values[name])

    def real(self, name: str) -> float:
        """Return a float flag."""
        return float(self._values[name])

    def on(self, name: str) -> bool:
        """Return a boolean flag."""
        return bool(self._values[name])

    def without_effect(self) -> list[str]:
        """Name the flags that were set to something else than their default and mean nothing here."""
        return sorted(
            name for name in self.given if not FLAGS[name].honoured and self._values[name] != FLAGS[name].default
        )


def parse(arguments: Sequence[str]) -> Options:
    """Read the arguments; raises UsageError for `--help` and for a bad value of a known flag."""
    values = {flag.name: flag.default for flag in FLAGS.values()}
    given: set[str] = set()
    unknown: list[str] = []
    for index, argument in enumerate(arguments):
        if argument == "--":
            unknown += arguments[index:]
            break
        name, value = _split(argument)
        flag = FLAGS.get(name)
        if flag is None or (value is None and not isinstance(flag.default, bool)):
            unknown.append(argument)
            continue
        values[name] = _read(flag, value)
        given.add(name)
    if unknown[:1] == ["--help"]:
        raise UsageError("--help")
    return Options(values, frozenset(given), tuple(unknown))


def usage(program: str) -> str:
    """Return the text that is printed for an unknown flag and for a bad value."""
    lines = [f"usage: {program}", "Flags:"]
    for flag in FLAGS.values():
        shown = f'"{flag.default}"' if isinstance(flag.default, str) else str(flag.default).lower()
        lines.append(f"\t--{flag.name}={shown}\t{type(flag.default).__name__}\t{flag.meaning}")
    return "\n".join(lines)


def _split(argument: str) -> tuple[str, str | None]:
    if not argument.startswith("--"):
        return "", None
    name, equals, value = argument[2:].partition("=")
    return name, value if equals else None


def _read(flag: Flag, value: str | None) -> Value:
    if isinstance(flag.default, bool):
        return _boolean(flag, value)
    text = value or ""
    if isinstance(flag.default, int):
        return _integer(flag, text)
    return _real(flag, text) if isinstance(flag.default, float) else text


def _boolean(flag: Flag, value: str | None) -> bool:
    if value is None:
        return True
    if (found := _BOOLEANS.get(value.lower())) is not None:
        return found
    raise UsageError(f"Couldn't interpret value {value} for flag {flag.name}.")


def _integer(flag: Flag, text: str) -> int:
    limit = 1 << (
        flag.bits - 1
    )  # TensorFlow's `%d` leaves open what becomes of others: glibc cuts off their upper bits
    if _INTEGER.fullmatch(text) and -limit <= int(text) < limit:
        return int(text)
    raise UsageError(f"Couldn't interpret value {text} for flag {flag.name}.")


def _real(flag: Flag, text: str) -> float:
    try:
        return float(text)
    except ValueError as error:
        raise UsageError(f"Couldn't interpret value {text} for flag {flag.name}.") from error
