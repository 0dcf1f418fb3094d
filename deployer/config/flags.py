"""The flags of the model server, `[server.flags]`: their names, types and ranges.

They come from the embedded server's own table, by which it parses its command line.
"""

from __future__ import annotations

import difflib
import re
from collections.abc import Mapping

from deployer.config.fields import at
from deployer.errors import InvalidValue
from deployer.server.flag_table import SERVING_FLAGS, Flag, Value
from deployer.system.documents import EXPECTED, format_value

__all__ = ["FLAGS", "Flag", "Value", "check_flags", "is_set_by_deployer", "suggest_flag"]

FLAGS = {flag.name: flag for flag in SERVING_FLAGS}
BOOLEANS = {"true": True, "false": False}
NAME = re.compile(r"[a-z][a-z0-9_]*")


def check_flags(flags: Mapping[str, Value]) -> None:
    """Raise InvalidValue for an unknown flag, a value of the wrong type, and one that no server accepts."""
    for name, value in flags.items():
        with at(name):
            _check_type(_settable_flag(name), value)
            _check_value(FLAGS[name], value)
    threads = [f"tensorflow_{kind}_parallelism" for kind in ("session", "intra_op", "inter_op")]
    if all(flags.get(name) for name in threads):
        raise InvalidValue("it cannot be set together with the other two", key_path=(threads[0],), hint="take it out")


def parse_flags(texts: Mapping[str, str]) -> dict[str, Value]:
    """Return flags as `[server.flags]` has them, from the texts of a command line. Raises InvalidValue."""
    parsed: dict[str, Value] = {}
    for name, text in texts.items():
        kind = type(_settable_flag(name).default)
        try:
            parsed[name] = BOOLEANS[text] if kind is bool else kind(text)
        except (KeyError, ValueError) as error:
            raise InvalidValue(f"expected {EXPECTED[kind]}, got {text[:80]!r}", key_path=(name,)) from error
    check_flags(parsed)
    return parsed


def is_set_by_deployer(flag: Flag) -> bool:
    """Return whether `deployer` sets the flag by itself, from another setting."""
    return bool(flag.setting)


def suggest_flag(name: str) -> str:
    """Return the hint for an unknown flag."""
    matches = difflib.get_close_matches(name, FLAGS, n=1, cutoff=0.5)
    return f"did you mean {matches[0]}?" if matches else "docs/reference.md lists the flags"


def _settable_flag(name: str) -> Flag:
    if not NAME.fullmatch(name):
        raise InvalidValue(
            f"server flag {name[:40]!r} is not a flag name; write it without dashes, as file_system_poll_wait_seconds",
            hint=suggest_flag(name.strip("-").split("=")[0]),
        )
    flag = FLAGS.get(name)
    if flag is None:
        raise InvalidValue(f"tensorflow_model_server has no flag {name[:80]}", hint=suggest_flag(name))
    if is_set_by_deployer(flag):
        raise InvalidValue(
            f"server flag {name!r} is set by deployer itself", hint=f"use {flag.setting} in deployer.toml"
        )
    return flag


def _check_type(flag: Flag, value: Value) -> None:
    kind = type(flag.default)
    if type(value) is kind or (kind is float and type(value) is int):
        return
    raise InvalidValue(f"expected {EXPECTED[kind]}, got {format_value(value)}")


def _check_value(flag: Flag, value: Value) -> None:
    if flag.choices and value not in flag.choices:
        raise InvalidValue(
            f"expected {' or '.join(map(format_value, flag.choices))}, got {format_value(value)}: {flag.why}"
        )
    if isinstance(value, str) and "\0" in value:
        raise InvalidValue("no argument of a process can hold a NUL byte")
    if isinstance(value, (int, float)) and not isinstance(value, bool) and not flag.least <= value <= flag.most:
        raise InvalidValue(f"expected {EXPECTED[type(flag.default)]} {_range(flag)}, got {format_value(value)}")


def _range(flag: Flag) -> str:
    return f"from {flag.least:.15g} to {flag.most:.15g}" if flag.most <= 2**53 else "of 64 bits"
