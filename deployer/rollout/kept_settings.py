"""The settings of containers that a deployment keeps where nothing sets them: of its server and of its gateway."""

from __future__ import annotations

import dataclasses
from contextlib import suppress
from typing import TypeVar

from deployer.config.docker import Docker
from deployer.config.gateway import Gateway
from deployer.config.spec import Spec
from deployer.errors import InvalidValue, LedgerError
from deployer.results.deployment import Deployment
from deployer.results.history import Outcome
from deployer.results.plan import Change
from deployer.rollout import addresses, other_engines
from deployer.rollout.notices import kept, reverts
from deployer.rollout.notices.kept import Recorded
from deployer.rollout.release_settings import ReleaseSettings
from deployer.rollout.workspace import KeptSettings, Workspace
from deployer.system import documents

REPLICAS = "swarm.replicas"
DEPENDENT = ("gpus", "certificate", "key")
"""Settings that need another one: an image with GPU support, or TLS."""
Table = TypeVar("Table", Docker, Gateway)


def keep_settings(workspace: Workspace, observed: Deployment | None, *, of_file: bool) -> Workspace:
    """Return the workspace whose container settings are those of the deployment where nothing sets them.

    Settings that variables or options gave the deployment are kept; with `of_file` also those from a file. Those of a
    container that is gone are read from the history.
    """
    recorded = _recorded(workspace, observed)
    if recorded.in_image != workspace.engine.traits.in_image:
        recorded = recorded.without_image()
        if not workspace.engine.traits.in_image:
            recorded = recorded.keep_image(_last_of_store(workspace))
    server = Recorded("docker", recorded.settings, recorded.temporary_settings)
    proxy = Recorded("gateway", recorded.gateway, recorded.temporary_gateway)
    spec = _keep_replicas(workspace, recorded.replicas, of_file=of_file)
    spec = spec if observed else _keep_address(workspace.with_spec(spec), recorded)
    docker = _keep(workspace, spec.docker, server, of_file=of_file)
    gateway = _keep(workspace, spec.gateway, proxy, of_file=of_file)
    if not gateway.enabled:
        gateway = spec.gateway
    changed = workspace.with_spec(spec).with_container_settings(docker, gateway, _temporary(workspace, gateway, proxy))
    notices = (
        *kept.notices(workspace, changed.spec, observed, (server, proxy)),
        *_replicas_notices(workspace, spec.swarm.replicas, of_file=of_file),
    )
    return dataclasses.replace(changed, kept=KeptSettings(notices, _temporary(workspace, docker, server)))


def _keep_replicas(workspace: Workspace, recorded: int | None, *, of_file: bool) -> Spec:
    """Return the spec with the number of servers that the deployment has, unless a setting chooses another.

    With `of_file`, the file chooses none: a change of models alone does not undo what `scale` did.
    """
    spec, origins = workspace.spec, workspace.origins
    set_now = origins.is_temporary(REPLICAS) if of_file else spec.swarm.replicas is not None
    if recorded is None or set_now or not workspace.engine.traits.replicated:
        return spec
    return dataclasses.replace(spec, swarm=dataclasses.replace(spec.swarm, replicas=recorded))


def _replicas_notices(workspace: Workspace, replicas: int | None, *, of_file: bool) -> tuple[str, ...]:
    """Return the notice about the number of servers that the deployment keeps; `replicas` is the one that it gets."""
    if replicas is None or replicas == workspace.spec.swarm.replicas:
        return ()
    if of_file and (conflict := reverts.replicas_conflict(workspace, replicas)):
        return tuple(f"keeps {replicas} server{'s' if replicas > 1 else ''}; {text}" for text in conflict)
    return (f"keeps {replicas} servers, which the deployment has: --replicas changes that",) if replicas > 1 else ()


def _recorded(workspace: Workspace, observed: Deployment | None) -> ReleaseSettings:
    """Return the settings of the deployment; of a container that is gone, those that the history has.

    Of a gateway that was disabled, the history has the image that a variable gave.
    """
    settings = ReleaseSettings() if observed is None else ReleaseSettings.of(observed)
    gateway = observed.gateway if observed else None
    if gateway is not None and gateway.settings:
        return settings
    key = workspace.spec.deployment, workspace.spec.env, workspace.engine.traits.name
    with suppress(LedgerError):
        if observed is None and other_engines.address_of(workspace, *key[:2]):
            return settings
        last = workspace.ledger.settings(*key)
        if last is not None and observed is None:
            return last
        if last is not None and gateway is None:
            return settings.keep_gateway_image(last)
        if last is not None:
            return dataclasses.replace(settings, gateway=last.gateway, temporary_gateway=last.temporary_gateway)
    return settings


def _last_of_store(workspace: Workspace) -> ReleaseSettings | None:
    """Return the settings of the last release that served the store; None without one."""
    ledger, spec = workspace.ledger, workspace.spec
    with suppress(LedgerError):
        key = spec.deployment, spec.env, workspace.engine.traits.name, Outcome.SUCCEEDED
        for release in ledger.releases(*key):
            if release.change == Change.REMOVE.value:
                return None
            settings = ledger.settings_of(release.number)
            if settings is not None and not settings.in_image:
                return settings
    return None


def _keep_address(workspace: Workspace, recorded: ReleaseSettings) -> Spec:
    """Return the spec with the host and the free ports of a container that is gone, where nothing sets them."""
    spec = addresses.keep_host(workspace.spec, recorded)
    workspace = workspace.with_spec(spec)
    rest, grpc = spec.server.rest_port, spec.server.grpc_port
    server = dataclasses.replace(
        spec.server,
        rest_port=rest or _free(workspace, recorded.rest_port) or rest,
        grpc_port=grpc or _free(workspace, recorded.grpc_port) or grpc,
    )
    return dataclasses.replace(spec, server=server)


def _free(workspace: Workspace, port: int | None) -> int | None:
    """Return a recorded port if nothing else holds it and it is not the one that is set for the other protocol."""
    server = workspace.spec.server
    if port is None or port in (server.rest_port, server.grpc_port):
        return None
    return None if addresses.taken_by(workspace, port) else port


def _keep(workspace: Workspace, table: Table, recorded: Recorded, *, of_file: bool) -> Table:
    """Return a table with the recorded settings where nothing sets them, as far as they fit the others."""
    kind, name = type(table), recorded.table
    unset = {key: value for key, value in kept.defaults(kind).items() if not workspace.origins.of(f"{name}.{key}")}
    names = recorded.settings if of_file else recorded.temporary
    found = {key: recorded.settings[key] for key in unset if key in names and key in recorded.settings}
    base = {**kept.plain(table), **unset}
    independent = {key: value for key, value in found.items() if key not in DEPENDENT}
    return _read(kind, {**base, **found}) or _read(kind, {**base, **independent}) or table


def _read(kind: type[Table], values: dict[str, object]) -> Table | None:
    """Return the settings; None if they do not fit each other, such as GPUs and an image without support for them."""
    try:
        settings = documents.read(kind, values)
        if isinstance(settings, Docker):
            settings.check_gpus()
        return settings
    except (InvalidValue, documents.Mismatch):
        return None


def _temporary(workspace: Workspace, table: Docker | Gateway, recorded: Recorded) -> tuple[str, ...]:
    """Return the settings of a table that variables or options set, now or by an earlier command."""
    origins, name = workspace.origins, recorded.table
    return tuple(
        key
        for key in kept.defaults(type(table))
        if origins.is_temporary(f"{name}.{key}") or (key in recorded.temporary and not origins.of(f"{name}.{key}"))
    )
