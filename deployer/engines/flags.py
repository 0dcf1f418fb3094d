"""The server's flags on each engine: what one cannot honour is refused before anything starts."""

from __future__ import annotations

from collections.abc import Iterable

from deployer.config.flags import FLAGS, suggest_flag
from deployer.errors import SettingRefused
from deployer.server.flag_table import Flag

KEY = "server.flags"
EMBEDDED = "embedded"


def check(engine: str, flags: Iterable[tuple[str, str]]) -> None:
    """Refuse what the engine's server would ignore or could not serve with, as texts. Raises SettingRefused."""
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
    """Why no deployment on the engine can use a flag, or nothing."""
    return flag.ungated or (flag.idle if engine == EMBEDDED else "")


def get_flag(name: str) -> Flag:
    """The flag of that name. Raises SettingRefused with the nearest one that there is."""
    if name in FLAGS:
        return FLAGS[name]
    raise SettingRefused(f"{KEY}.{name}: tensorflow_model_server has no flag {name}", hint=suggest_flag(name))
