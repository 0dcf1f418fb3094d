"""The settings of containers that a deployment keeps where nothing sets them: of its server and of its gateway."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Mapping
from typing import NamedTuple, TypeVar

from deployer.config.docker import Docker
from deployer.config.fields import option_name
from deployer.config.gateway import Gateway
from deployer.config.loader import PREFIX
from deployer.config.options import DockerOptions, Settings
from deployer.errors import InvalidValue
from deployer.results.deployment import Deployment
from deployer.rollout.workspace import Workspace
from deployer.system import documents

OPTIONS = tuple(field.name for field in dataclasses.fields(DockerOptions))
GATEWAY = tuple(field.name for field in dataclasses.fields(Gateway))
NOT_KEPT = ("host", "pull_seconds", "environment")
"""Settings that containers do not record."""
DEPENDENT = ("gpus", "certificate", "key")
"""Settings that need another one: an image with GPU support, or TLS."""
LIFT = dict.fromkeys(("memory", "cpus", "gpus"), " (0: none)")
"""How an option takes a limit back."""
Table = TypeVar("Table", Docker, Gateway)


class _Recorded(NamedTuple):
    """The settings that a container records, and which of them are temporary: a variable or an option set them."""

    settings: Mapping[str, object] = {}
    temporary: tuple[str, ...] = ()


def keep_settings(workspace: Workspace, observed: Deployment | None, *, of_file: bool) -> Workspace:
    """Return the workspace whose container settings are those of the deployment where nothing sets them.

    Settings that variables or options gave the deployment are kept; with `of_file` also those from a file.
    """
    server, gateway = _server(observed), _gateway(observed)
    docker = _keep(workspace, "docker", workspace.spec.docker, server, of_file=of_file)
    kept = _keep(workspace, "gateway", workspace.spec.gateway, gateway, of_file=of_file)
    return workspace.with_container_settings(docker, kept, _temporary(workspace, "gateway", GATEWAY, gateway))


def _server(observed: Deployment | None) -> _Recorded:
    return _Recorded(observed.settings, observed.temporary_settings) if observed else _Recorded()


def _gateway(observed: Deployment | None) -> _Recorded:
    gateway = observed.gateway if observed else None
    return _Recorded(gateway.settings, gateway.temporary_settings) if gateway else _Recorded()


def _keep(workspace: Workspace, name: str, table: Table, recorded: _Recorded, *, of_file: bool) -> Table:
    """Return a table with the recorded settings where nothing sets them, as far as they fit the others."""
    kind = type(table)
    defaults = {field.name: field.default for field in dataclasses.fields(kind) if field.name not in NOT_KEPT}
    unset = {key: value for key, value in defaults.items() if not workspace.origins.of(f"{name}.{key}")}
    names = recorded.settings if of_file else recorded.temporary
    kept = {key: recorded.settings[key] for key in unset if key in names and key in recorded.settings}
    base = {**_plain(table), **unset}
    independent = {key: value for key, value in kept.items() if key not in DEPENDENT}
    return _read(kind, {**base, **kept}) or _read(kind, {**base, **independent}) or table


def _plain(table: Docker | Gateway) -> dict[str, object]:
    return table.plain if isinstance(table, Gateway) else dataclasses.asdict(table)


def _read(kind: type[Table], values: dict[str, object]) -> Table | None:
    """Return the settings; None if they do not fit each other, such as GPUs and an image without support for them."""
    try:
        return documents.read(kind, values)
    except (InvalidValue, documents.Mismatch):
        return None


def temporary_settings(workspace: Workspace, observed: Deployment | None) -> tuple[str, ...]:
    """Return the settings of the server's container that variables or options set, now or by an earlier command."""
    return _temporary(workspace, "docker", OPTIONS, _server(observed))


def _temporary(workspace: Workspace, table: str, names: tuple[str, ...], recorded: _Recorded) -> tuple[str, ...]:
    origins = workspace.origins
    return tuple(
        name
        for name in names
        if origins.is_temporary(f"{table}.{name}") or (name in recorded.temporary and not origins.of(f"{table}.{name}"))
    )


def kept_notices(workspace: Workspace, observed: Deployment | None) -> Iterator[str]:
    """Yield the notices about settings that the deployment keeps."""
    if kept := _kept(workspace, "docker", workspace.spec.docker, OPTIONS, _server(observed)):
        settings = ", ".join(f"{name} {value}" for name, value in kept.items())
        options = ", ".join(f"{option_name(Settings, name)}{LIFT.get(name, '')}" for name in kept)
        yield (
            f"keeps {settings}, as the deployment has: nothing sets another value; deployer up with {options}, or "
            "[docker] in deployer.toml, changes that"
        )
    if kept := _kept(workspace, "gateway", workspace.spec.gateway, GATEWAY, _gateway(observed)):
        texts = {name: "true" if value is True else value for name, value in kept.items()}
        settings = ", ".join(f"gateway.{name} {text}" for name, text in texts.items())
        variables = ", ".join(f"{PREFIX}GATEWAY_{name.upper()}" for name in kept)
        yield (
            f"keeps {settings}, as the gateway has: nothing sets another value; {variables}, or [gateway] in "
            "deployer.toml, changes that"
        )


def _kept(
    workspace: Workspace, name: str, table: Docker | Gateway, names: tuple[str, ...], recorded: _Recorded
) -> dict[str, object]:
    values, defaults = _plain(table), {field.name: field.default for field in dataclasses.fields(table)}
    return {
        key: values[key]
        for key in names
        if not workspace.origins.of(f"{name}.{key}")
        and key in recorded.settings
        and recorded.settings[key] == values[key] != defaults[key]
    }
