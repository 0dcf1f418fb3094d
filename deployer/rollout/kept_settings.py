"""The settings of a container that a deployment keeps where nothing sets them: image, limits, user and others."""

from __future__ import annotations

import dataclasses

from deployer.config.docker import Docker
from deployer.config.fields import option_name
from deployer.config.options import DockerOptions, Settings
from deployer.errors import InvalidValue
from deployer.results.deployment import Deployment
from deployer.rollout.workspace import Workspace
from deployer.system import documents

OPTIONS = tuple(field.name for field in dataclasses.fields(DockerOptions))
NOT_KEPT = ("host", "pull_seconds", "environment")
"""Settings that containers do not record."""


def keep_settings(workspace: Workspace, observed: Deployment | None, *, of_file: bool) -> Workspace:
    """Return the workspace whose container settings are those of the deployment where nothing sets them.

    Settings that variables or options gave the deployment are kept; with `of_file` also those from a file.
    """
    defaults = {field.name: field.default for field in dataclasses.fields(Docker) if field.name not in NOT_KEPT}
    unset = {name: value for name, value in defaults.items() if not workspace.origins.of(f"docker.{name}")}
    recorded = observed.settings if observed else {}
    names = recorded if of_file or observed is None else observed.temporary_settings
    kept = {name: recorded[name] for name in unset if name in names and name in recorded}
    base = {**dataclasses.asdict(workspace.spec.docker), **unset}
    docker = _read({**base, **kept}) or _read({**base, **kept, "gpus": base["gpus"]}) or workspace.spec.docker
    return workspace if docker == workspace.spec.docker else workspace.with_container_settings(docker)


def _read(values: dict[str, object]) -> Docker | None:
    """Return the settings; None if they do not fit each other, such as GPUs and an image without support for them."""
    try:
        return documents.read(Docker, values)
    except (InvalidValue, documents.Mismatch):
        return None


def temporary_settings(workspace: Workspace, observed: Deployment | None) -> tuple[str, ...]:
    """Return the container settings that variables or options set, now or by an earlier command."""
    earlier = observed.temporary_settings if observed else ()
    origins = workspace.origins
    return tuple(
        name
        for name in OPTIONS
        if origins.is_temporary(f"docker.{name}") or (name in earlier and not origins.of(f"docker.{name}"))
    )


def kept_notice(workspace: Workspace, observed: Deployment | None) -> str:
    """Return the notice about settings that the deployment keeps; empty without one."""
    recorded = observed.settings if observed else {}
    values = dataclasses.asdict(workspace.spec.docker)
    kept = [
        name
        for name in OPTIONS
        if not workspace.origins.of(f"docker.{name}")
        and name in recorded
        and recorded[name] == values[name] != Docker.__dataclass_fields__[name].default
    ]
    if not kept:
        return ""
    settings = ", ".join(f"{name} {values[name]}" for name in kept)
    options = ", ".join(option_name(Settings, name) for name in kept)
    return (
        f"keeps {settings}, as the deployment has: nothing sets another value; deployer up with {options}, or "
        "[docker] in deployer.toml, changes that"
    )
