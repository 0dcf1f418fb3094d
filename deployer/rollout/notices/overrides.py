"""The notice about options and variables that another value of `deployer.toml` follows."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from deployer.config.fields import ZERO_SIZE
from deployer.results.deployment import Deployment
from deployer.rollout.addresses import taken_by
from deployer.rollout.notices.reverts import REPLICAS
from deployer.rollout.workspace import Workspace

PORTS = ("rest_port", "grpc_port")
TABLES = {"server": ("host", *PORTS), "docker": (), "gateway": (), "swarm": ()}
"""The tables whose values a server or its gateway has, with the keys that count; empty for all."""


def notices(workspace: Workspace, serving: Deployment | None) -> Iterator[str]:
    """Yield that the next command goes back to what `deployer.toml` says, or fails because a port of it is taken.

    Changes of models alone keep the number of servers: only `up` goes back to that.
    `serving` is the deployment as the change leaves it, as far as that is known.
    """
    origins = workspace.origins
    overridden = {
        key: value
        for key, value in origins.file.items()
        if _is_overridden(workspace, key, value) and not _is_kept(workspace, serving, key, value)
    }
    taken = {key: reason for key, value in overridden.items() if (reason := _taken(workspace, key, value))}
    back = [key for key in overridden if key not in taken]
    for keys, command, effect in (
        ([key for key in back if key != REPLICAS], "command", "goes back to it"),
        ([key for key in back if key == REPLICAS], f"`deployer up{workspace.up_options}`", "goes back to it"),
        (list(taken), "command", f"fails: {'; '.join(dict.fromkeys(taken.values()))}"),
    ):
        if keys:
            says = " and ".join(f"{key} = {_text(overridden[key])}" for key in keys)
            without = " and ".join(origins.of(key) for key in keys)
            yield f"{origins.file_name} says {says}: the next {command} without {without} {effect}"


def _taken(workspace: Workspace, key: str, value: object) -> str:
    """Return why a deployment cannot go back to a port of the file; empty if it can, and for other keys."""
    is_port = key.removeprefix("server.") in PORTS
    return taken_by(workspace, value) if is_port and isinstance(value, int) else ""


def _is_kept(workspace: Workspace, serving: Deployment | None, key: str, value: object) -> bool:
    """Return whether an option or a variable for any free port leaves the port of the file."""
    name = key.removeprefix("server.")
    if serving is None or name not in PORTS or getattr(workspace.spec.server, name) != 0:
        return False
    return bool(getattr(serving, name) == value)


def _is_overridden(workspace: Workspace, key: str, value: object) -> bool:
    table, _, name = key.rpartition(".")
    if table not in TABLES or not workspace.origins.is_temporary(key) or name not in (TABLES[table] or (name,)):
        return False
    traits = workspace.engine.traits
    if table == "swarm" and not traits.replicated:
        return False
    if table in ("docker", "gateway") and not traits.image:
        return False
    if name in PORTS and value == 0:  # keeps the port that the deployment has
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
