"""The notice about options and variables that another value of `deployer.toml` follows."""

from __future__ import annotations

from pathlib import Path

from deployer.config.fields import ZERO_SIZE
from deployer.rollout.workspace import Workspace

TABLES = {"server": ("host", "rest_port", "grpc_port"), "docker": (), "gateway": ()}
"""The tables whose values a server or its gateway has, with the keys that count; empty for all."""


def notice(workspace: Workspace) -> str:
    """Return that the next command goes back to what `deployer.toml` says; empty if nothing overrides it."""
    origins = workspace.origins
    overridden = {key: value for key, value in origins.file.items() if _is_overridden(workspace, key, value)}
    if not overridden:
        return ""
    says = " and ".join(f"{key} = {_text(value)}" for key, value in overridden.items())
    without = " and ".join(origins.of(key) for key in overridden)
    return f"{origins.file_name} says {says}: the next command without {without} goes back to it"


def _is_overridden(workspace: Workspace, key: str, value: object) -> bool:
    table, _, name = key.rpartition(".")
    if table not in TABLES or not workspace.origins.is_temporary(key) or name not in (TABLES[table] or (name,)):
        return False
    if table != "server" and not workspace.engine.traits.image:
        return False
    return _comparable(getattr(getattr(workspace.spec, table), name)) != _comparable(value)


def _comparable(value: object) -> object:
    """Return a value such that one of the file and one of the spec can be compared: 0 is no limit."""
    if isinstance(value, Path):
        return str(value)
    is_zero = ZERO_SIZE.fullmatch(value) if isinstance(value, str) else value == 0 and value is not False
    return None if is_zero else value


def _text(value: object) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)
