"""The server's flags: what it does not know it prints and ignores, so it is refused here."""

from __future__ import annotations

import difflib

from deployer.errors import SettingRefused
from deployer.server.flag_table import SERVING_FLAGS, Flag

_KNOWN = {flag.name: flag for flag in SERVING_FLAGS}
_BEYOND_THE_GATE = frozenset(("ssl_config_file",))  # it speaks plain gRPC


def embedded(flag: Flag) -> bool:
    """Whether the embedded engine can honour a flag: its server must, and the gate must be able to ask it."""
    return flag.honoured and flag.name not in _BEYOND_THE_GATE


def known(name: str) -> Flag:
    """The flag of that name. Raises SettingRefused with the nearest one that there is."""
    if name in _KNOWN:
        return _KNOWN[name]
    close = difflib.get_close_matches(name, _KNOWN, n=1, cutoff=0.5)
    hint = f"did you mean {close[0]}?" if close else "see docs/reference.md for the flags"
    raise SettingRefused(f"tensorflow_model_server has no flag {name}", hint=hint)
