"""What `up` would start now, for verbs that start nothing: what is deployed is asked for, and a missing engine is no
error.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator
from dataclasses import dataclass

from deployer import engines
from deployer.config.server import Server
from deployer.config.spec import ModelSpec, Spec
from deployer.errors import DeployerError, EngineError
from deployer.results.deployment import Deployment
from deployer.rollout import addresses, lost_versions
from deployer.rollout.export_options import ExportOptions
from deployer.rollout.exports import find_exported
from deployer.rollout.targets import next_version
from deployer.rollout.workspace import Workspace


@dataclass(frozen=True)
class RenderTarget:
    """The workspace with the engine that `up` would use and the spec that it would aim at, of versions that the store
    has; `deployed` is what there is now, and `notices` say why a version is not the one that `up` would serve, and
    whether no engine could be asked.
    """

    workspace: Workspace
    deployed: Deployment | None
    notices: tuple[str, ...]


def render_target(workspace: Workspace) -> RenderTarget:
    """How the workspace's spec stands to what is deployed. Raises EngineConflict where two engines have it."""
    workspace, deployed, unasked = _asked(workspace)
    spec, exports = _from_store(workspace, addresses.keep_address(workspace.spec, deployed))
    return RenderTarget(workspace.with_spec(spec), deployed, tuple(filter(None, (unasked, *exports))))


def _asked(workspace: Workspace) -> tuple[Workspace, Deployment | None, str]:
    """The engine that has the deployment, what it has, and a notice where that cannot be told."""
    name, env = workspace.spec.deployment, workspace.spec.env
    workspace = dataclasses.replace(workspace, engines=tuple(map(engines.answering_soon, workspace.engines)))
    try:
        workspace = workspace.for_deployment(name)
        return workspace, workspace.engine.observe(name, env), ""
    except EngineError as error:
        unasked = (
            f"made from the settings alone, for no engine says whether {name} [{env}] is deployed: {error.message}"
        )
    usual = engines.ENGINES["docker"](workspace.spec) if workspace.was_on_docker(name) else workspace.engine
    return dataclasses.replace(workspace, engines=(usual,)), None, unasked


def _from_store(workspace: Workspace, spec: Spec) -> tuple[Spec, tuple[str, ...]]:
    """The spec with the version of each source that the store has, and a notice for each that `up` would export."""
    models, notices = dict(spec.models), []
    for name, model in spec.models.items():
        if model.source is None:
            continue
        version, notice = _of_source(workspace, name, model)
        versions = model.versions or (() if version is None else (version,))
        models[name] = dataclasses.replace(model, source=None, versions=versions)
        notices.append(notice)
    return dataclasses.replace(spec, models=models), tuple(notices)


def _of_source(workspace: Workspace, name: str, model: ModelSpec) -> tuple[int | None, str]:
    """The version that holds a source; else None, and why."""
    source = model.source or ""
    try:
        options = ExportOptions().for_model(name, model).for_batching(workspace.spec.batching)
        found = find_exported(workspace.store, source, options)
        number = next_version(workspace.store, name, source, served=lost_versions.highest_served(workspace, name))
    except DeployerError as error:
        return None, f"whether {source} was exported as it is cannot be told: {error.message}"
    if not isinstance(found, str):
        return found.version, ""
    return None, f"up would first export {source} as {name}:{number}: {found}"


def inherited_address(wanted: Server, served: Server, deployed: Deployment, typed: str) -> Iterator[str]:
    """What of the address comes from the deployment: `wanted` is what the settings say, `served` what came of it."""
    fields = {"host": "host", "rest_port": "REST port", "grpc_port": "gRPC port"}
    taken = {name: getattr(served, name) for name in fields if getattr(wanted, name) != getattr(served, name)}
    if not taken:
        return
    values = ", ".join(f"{fields[name]} {value}" for name, value in taken.items())
    others = ", ".join(f"--{name.replace('_', '-')}" for name in taken)
    freed = f"; deployer down {typed} frees the ports" if deployed.running else ""
    yield f"taken from what is deployed: {values}; render with {others} to change that{freed}"
