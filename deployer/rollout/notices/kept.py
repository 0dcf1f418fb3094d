"""Notices about settings of containers that a deployment keeps, because nothing sets them."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

from deployer.config.docker import Docker
from deployer.config.fields import PREFIX, option_name
from deployer.config.gateway import Gateway
from deployer.config.options import DockerOptions, Settings
from deployer.config.spec import Spec
from deployer.results.deployment import Deployment
from deployer.rollout.workspace import Workspace

NOT_KEPT = ("host", "pull_seconds", "environment")
"""Settings that containers do not record."""
OPTIONS = tuple(field.name for field in dataclasses.fields(DockerOptions))
LIFT = dict.fromkeys(("memory", "cpus", "gpus"), " (0: none)")
"""How an option takes a limit back."""
ADDRESS = {"host": "host", "rest_port": "REST port", "grpc_port": "gRPC port"}
UNKNOWN = (
    "what variables gave the gateway is not known: its container is gone, and the history has no record of its settings"
)


@dataclass(frozen=True)
class Recorded:
    """The settings of a `table` that a container records, and which of them variables or options set."""

    table: str
    settings: Mapping[str, object] = field(default_factory=dict)
    temporary: tuple[str, ...] = ()


def plain(table: Docker | Gateway) -> dict[str, object]:
    """Return the settings of a table as JSON has them."""
    return table.plain if isinstance(table, Gateway) else dataclasses.asdict(table)


def defaults(kind: type[Docker] | type[Gateway]) -> dict[str, object]:
    """Return the default of each setting that a container records."""
    return {each.name: each.default for each in dataclasses.fields(kind) if each.name not in NOT_KEPT}


def notices(
    workspace: Workspace, spec: Spec, observed: Deployment | None, recorded: tuple[Recorded, Recorded]
) -> Iterator[str]:
    """Yield the notices about what `spec` has of a deployment; `workspace` is as the settings alone make it."""
    server, gateway = recorded
    if observed is None:
        before = workspace.spec.server
        address = {text: getattr(spec.server, name) for name, text in ADDRESS.items()}
        taken = [f"{text} {address[text]}" for name, text in ADDRESS.items() if getattr(before, name) != address[text]]
        if taken:
            yield f"keeps {', '.join(taken)}, as the history records: its container is gone"
    yield from _kept(workspace, spec.docker, server, observed)
    yield from _kept(workspace, spec.gateway, gateway, observed)
    if observed and observed.gateway and not observed.gateway.digest and not gateway.settings:
        yield UNKNOWN


def _kept(
    workspace: Workspace, table: Docker | Gateway, recorded: Recorded, observed: Deployment | None
) -> Iterator[str]:
    """Yield the notices about a table: those that a later command keeps, and those that the next `up` drops."""
    values, usual = plain(table), defaults(type(table))
    prefix = "gateway." if isinstance(table, Gateway) else ""
    always = {"enabled"} if prefix and workspace.engine.traits.replicated else set()
    texts = {
        name: f"{prefix}{name} {str(value).lower() if isinstance(value, bool) else value}"
        for name, value in values.items()
        if name in usual.keys() - always
        and not workspace.origins.of(f"{recorded.table}.{name}")
        and name in recorded.settings
        and recorded.settings[name] == value != usual[name]
    }
    if temporary := {name: text for name, text in texts.items() if name in recorded.temporary}:
        reason = "as the deployment has:" if observed else "as the history records: its container is gone, and"
        if observed and observed.in_image and "image" in temporary and not prefix:
            reason = "as the deployment or the history has:"
        if prefix and observed and observed.gateway is None:
            reason = "as the history records: the gateway was disabled, and"
        ways = ", ".join(_way(recorded.table, name) for name in temporary)
        yield (
            f"keeps {', '.join(temporary.values())}, {reason} nothing sets another value; deployer up with {ways}, or "
            f"[{recorded.table}] in deployer.toml, changes that"
        )
    if of_file := {name: text for name, text in texts.items() if name not in recorded.temporary}:
        effect = "remove the gateway" if prefix and "enabled" in of_file else "go back to the default"
        yield f"keeps {', '.join(of_file.values())}, which nothing sets any more: deployer up would {effect}"


def _way(table: str, name: str) -> str:
    """Return what sets a setting of a container: an option, or else a variable."""
    if table == "docker" and name in OPTIONS:
        return f"{option_name(Settings, name)}{LIFT.get(name, '')}"
    return f"{PREFIX}{table.upper()}_{name.upper()}"
