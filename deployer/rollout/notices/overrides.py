"""Notices about options and variables that override `deployer.toml`: what the next command, or a render, does."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from deployer.config import capabilities, env_file, paths
from deployer.config.fields import ZERO_SIZE
from deployer.config.origins import Origins
from deployer.config.spec import Spec
from deployer.results.deployment import Deployment
from deployer.rollout.addresses import taken_by
from deployer.rollout.notices.reverts import REPLICAS
from deployer.rollout.workspace import Workspace

PORTS = ("rest_port", "grpc_port")
TABLES = {"server": ("host", *PORTS), "docker": (), "gateway": (), "swarm": ()}
"""The tables whose values a server or its gateway has, with the keys that count; empty for all."""

IN_CONFIG = ("models_dir", "templates_dir")
"""The keys of a single value that the server's own files depend on."""
NOT_RENDERED = ("engine", "state_dir", env_file.KEY)


@dataclass(frozen=True)
class Override:
    """A key of the file that a variable or an option overrides in what is rendered."""

    key: str
    place: str
    """The key as the file has it: `docker.image`, or `env.staging.docker.image`."""

    says: str
    origin: str
    value: str
    file_name: str


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


def rendered(form: str, spec: Spec, origins: Origins) -> Iterator[Override]:
    """Yield the keys of the file that have another value in a rendered form, because of a variable or an option."""
    for key, says in origins.file.items():
        if not origins.is_temporary(key) or not _is_rendered(form, key):
            continue
        table, _, name = key.rpartition(".")
        value = getattr(getattr(spec, table) if table else spec, name)
        if _comparable(value) != _comparable(_resolved(key, says, origins)):
            yield Override(key, origins.place(key), _text(says), origins.of(key), _text(value), origins.file_name)


def rendered_notices(overrides: Sequence[Override], where: str = "") -> Iterator[str]:
    """Yield that the next command goes back to what the file says, or `where` the rendered files have another value."""
    for key in dict.fromkeys(each.key for each in overrides):
        found = [each for each in overrides if each.key == key]
        says = " and ".join(dict.fromkeys(f"{each.place} = {each.says}" for each in found))
        first = found[0]
        back = f"the next command without {first.origin} goes back to it"
        effect = f"{where} have {first.value}, and {back}" if where else back
        yield f"{first.file_name} says {says}: {effect}"


def _is_rendered(form: str, key: str) -> bool:
    """Return whether a form has the value of a key, or is made with it."""
    if form not in capabilities.FORMS:
        return key in IN_CONFIG
    is_unused = isinstance(capabilities.row_of(form, key), capabilities.Unused)
    return key not in NOT_RENDERED and not is_unused


def _resolved(key: str, value: object, origins: Origins) -> object:
    """Return a value of the file; for a path, from the directory of the file."""
    is_path = key in paths.PATHS and isinstance(value, str)
    return paths.resolve(Path(origins.file_name).parent, key, str(value)) if is_path else value


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
