"""Parse the command line by TensorFlow's rules, which differ from argparse's.

Sources: `tensorflow/core/util/command_line_flags.cc`, `tensorflow_serving/model_servers/main.cc`. A flag is
`--name=value`; unknown arguments, and all from `--` on, are printed and ignored; an invalid value of a known flag is an
error; the last value wins.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence

from deployer.server.flag_table import FLAGS, Flag, Value

_INTEGER = re.compile(r"[+-]?[0-9]+")
_BOOLEANS = {"true": True, "1": True, "false": False, "0": False}


class UsageError(Exception):
    """A known flag has an invalid value."""


class Options:
    """The value of every flag, and the names of those that the command line set."""

    def __init__(self, values: Mapping[str, Value], explicit: frozenset[str], unknown: tuple[str, ...] = ()) -> None:
        self._values = dict(values)
        self.explicit = explicit
        self.unknown = unknown

    def text(self, name: str) -> str:
        """Return the value of a string flag."""
        return str(self._values[name])

    def number(self, name: str) -> int:
        """Return the value of an integer flag."""
        return int(self._values[name])

    def real(self, name: str) -> float:
        """Return the value of a float flag."""
        return float(self._values[name])

    def on(self, name: str) -> bool:
        """Return the value of a boolean flag."""
        return bool(self._values[name])

    def ignored_flags(self) -> list[str]:
        """Return the flags that were set to another value than their default and have no effect here."""
        return sorted(
            name for name in self.explicit if not FLAGS[name].honoured and self._values[name] != FLAGS[name].default
        )


def parse(arguments: Sequence[str]) -> Options:
    """Parse the arguments. Raises UsageError for `--help` and for an invalid value of a known flag."""
    values = {flag.name: flag.default for flag in FLAGS.values()}
    explicit: set[str] = set()
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
        explicit.add(name)
    if unknown[:1] == ["--help"]:
        raise UsageError("--help")
    return Options(values, frozenset(explicit), tuple(unknown))


def usage(program: str) -> str:
    """Return the text that is printed for unknown flags and invalid values."""
    lines = [f"usage: {program}", "Flags:"]
    for flag in FLAGS.values():
        text = f'"{flag.default}"' if isinstance(flag.default, str) else str(flag.default).lower()
        lines.append(f"\t--{flag.name}={text}\t{type(flag.default).__name__}\t{flag.meaning}")
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
    if (boolean := _BOOLEANS.get(value.lower())) is not None:
        return boolean
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
