"""The server's flags: an engine refuses those that its server cannot honour before it starts anything."""

from __future__ import annotations

from collections.abc import Iterable

from deployer.config.flags import FLAGS, suggest_flag
from deployer.errors import SettingRefused
from deployer.server.flag_table import Flag

KEY = "server.flags"
EMBEDDED = "embedded"


def check(engine: str, flags: Iterable[tuple[str, str]]) -> None:
    """Raise SettingRefused for a flag that the engine's server would ignore or could not serve with."""
    for name, text in flags:
        flag = get_flag(name)
        if reason := refusal_reason(engine, flag):
            raise SettingRefused(
                f"{KEY}.{name}: the {engine} engine cannot honour the server flag {name}: {reason}", hint="take it out"
            )
        minimum = flag.least_of_serving
        if engine != EMBEDDED and minimum is not None and text.isdecimal() and int(text) < minimum:
            raise SettingRefused(
                f"{KEY}.{name}: expected at least {minimum}, got {text}: {flag.why}",
                hint=f"{name} = {minimum}, or more",
            )


def refusal_reason(engine: str, flag: Flag) -> str:
    """Return why no deployment on the engine can use a flag; empty if one can."""
    return flag.ungated or (flag.idle if engine == EMBEDDED else "")


def get_flag(name: str) -> Flag:
    """Return the flag of that name. Raise SettingRefused with the nearest name if there is none."""
    if name in FLAGS:
        return FLAGS[name]
    raise SettingRefused(f"{KEY}.{name}: tensorflow_model_server has no flag {name}", hint=suggest_flag(name))
