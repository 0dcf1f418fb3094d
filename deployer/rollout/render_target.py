"""The spec and engine that `render` writes files for: those of `up`, even if no engine answers."""

from __future__ import annotations

import dataclasses
import shlex
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from deployer import engines
from deployer.config.server import Server
from deployer.config.spec import ModelSpec, Spec
from deployer.errors import DeployerError, EngineError, ModelNotFound
from deployer.results.deployment import Deployment
from deployer.rollout import addresses, lost_versions
from deployer.rollout.export_options import ExportOptions
from deployer.rollout.exports import NeededExport, find_exported
from deployer.rollout.kept_settings import keep_settings
from deployer.rollout.targets import next_version
from deployer.rollout.workspace import Workspace


@dataclass(frozen=True)
class RenderTarget:
    """The workspace with the engine and the spec of `up`, limited to versions of the store."""

    workspace: Workspace
    deployed: Deployment | None
    notices: tuple[str, ...]
    """Sources that `up` would export first, and whether no engine answers."""


def render_target(workspace: Workspace) -> RenderTarget:
    """Return what `up` would deploy of the workspace's spec. Raises EngineConflict if two engines have it."""
    workspace, deployed, notice = _observe(workspace)
    if not notice:
        workspace = keep_settings(workspace, deployed, of_file=False)
    spec, exports = stored_versions(workspace, addresses.keep_address(workspace.spec, deployed))
    return RenderTarget(workspace.with_spec(spec), deployed, tuple(filter(None, (notice, *exports))))


def _observe(workspace: Workspace) -> tuple[Workspace, Deployment | None, str]:
    """Return the engine of the deployment, the deployment, and a notice if no engine answers."""
    name, env = workspace.spec.deployment, workspace.spec.env
    workspace = dataclasses.replace(workspace, engines=tuple(map(engines.with_short_timeout, workspace.engines)))
    try:
        workspace = workspace.for_deployment(name)
        return workspace, workspace.engine.foresee(name, env), ""
    except EngineError as error:
        reason = f"no engine says whether {name} [{env}] is deployed: {error.message}"
        notice = f"rendered from the settings alone, because {reason}"
    engine = engines.ENGINES["docker"](workspace.spec) if workspace.was_on_docker(name) else workspace.engine
    return dataclasses.replace(workspace, engines=(engine,)), None, notice


def stored_versions(workspace: Workspace, spec: Spec) -> tuple[Spec, tuple[str, ...]]:
    """Return the spec with stored versions in the place of sources, and a notice for each that `up` exports first."""
    models, notices = dict(spec.models), []
    for name, model in spec.models.items():
        if model.source is None:
            continue
        version, notice = _stored_version(workspace, name, model)
        versions = model.versions or (() if version is None else (version,))
        models[name] = dataclasses.replace(model, source=None, versions=versions)
        notices.append(notice)
    return dataclasses.replace(spec, models=models), tuple(notices)


def _stored_version(workspace: Workspace, name: str, model: ModelSpec) -> tuple[int | None, str]:
    """Return the version that has the content of a source; otherwise None, and why."""
    source = model.source or ""
    try:
        options = ExportOptions().for_model(name, model).for_batching(workspace.spec.batching)
        exported = find_exported(workspace.store, source, options)
        number = next_version(workspace.store, name, source, served=lost_versions.highest_served(workspace, name))
    except DeployerError as error:
        return None, f"whether the store has {source} is unknown: {error.message}"
    if not isinstance(exported, NeededExport):
        return exported.version, ""
    return None, f"up would first export {source} as {name}:{number}: {exported.cause}"


@contextmanager
def suggest_export(workspace: Workspace, desired: Spec) -> Iterator[None]:
    """Add the commands that export a model whose source is known to the error that the store does not have it."""
    try:
        yield
    except ModelNotFound as error:
        listed = desired.models.get(error.model)
        if listed is not None and listed.source is not None and not workspace.store.versions(error.model):
            export = f"deployer export {shlex.quote(listed.source)} --name {error.model}{workspace.store_options}"
            error.hint = f"{export} exports it, and deployer up{workspace.up_options} deploys it, too"
        raise


def inherited_address(settings: Server, rendered: Server, deployed: Deployment, target: str) -> Iterator[str]:
    """Yield the notice about host and ports that are rendered as deployed, because the settings do not choose them."""
    fields = {"host": "host", "rest_port": "REST port", "grpc_port": "gRPC port"}
    taken = {name: getattr(rendered, name) for name in fields if getattr(settings, name) != getattr(rendered, name)}
    if not taken:
        return
    values = ", ".join(f"{fields[name]} {value}" for name, value in taken.items())
    others = ", ".join(f"--{name.replace('_', '-')}" for name in taken)
    freed = f"; deployer down {target} frees the ports" if deployed.running else ""
    yield f"taken from what is deployed: {values}; render with {others} to change that{freed}"
