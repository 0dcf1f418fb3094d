"""`status`: list the deployments, with the states that their servers report."""

from __future__ import annotations

import dataclasses
import shlex
from concurrent.futures import ThreadPoolExecutor
from functools import partial

from deployer.client.client import Client
from deployer.config.options import Settings
from deployer.engines.base import Engine
from deployer.errors import DeployerError
from deployer.results.deployment import LOST, Deployment, NamedImage, cli_name
from deployer.results.running import DeploymentStatus, ModelState
from deployer.rollout.addresses import exposure
from deployer.rollout.causes import image_change
from deployer.rollout.workspace import (
    Progress,
    Workspace,
    no_progress,
    open_all_environments,
    open_workspace,
    stopped_component,
)
from deployer.store.store import Store
from deployer.system.attempts import collect_errors, merge_errors

STATUS_SECONDS = 5.0
PATIENCE_SECONDS = 1.0
ASKED_AT_ONCE = 16


def status(
    name: str | None = None,
    *,
    all_envs: bool = False,
    all_projects: bool = False,
    settings: Settings | None = None,
    progress: Progress = no_progress,
) -> tuple[DeploymentStatus, ...]:
    """Return the state of one deployment, or of every deployment of the project in this environment.

    With `all_envs` of every environment, with `all_projects` of every project. If there is none, `progress` gets the
    commands that show others. Raises DeploymentNotFound for a name; EngineError if an engine does not answer, with the
    deployments of the others in its `results`.
    """
    all_envs = all_envs or all_projects
    open_function = open_all_environments if all_envs else open_workspace
    workspace = open_function(settings or Settings())
    if name is not None:
        return tuple(_status(deployment, note, workspace.store) for deployment, note in _named(workspace, name))
    found, failures = collect_errors(
        partial(_deployments, engine, all_projects, progress) for engine in workspace.engines
    )
    # By release: an engine that is reached at two addresses shows its deployments twice.
    observed = {deployment.release: (deployment, note) for deployment, note in found}
    shown = [each for each in observed.values() if all_envs or each[0].env == workspace.spec.env]
    if not shown and (observed or not failures):
        progress(_nothing_deployed(workspace, tuple(each for each, _ in observed.values()), all_projects))
    shown.sort(key=lambda each: (each[0].project, each[0].env, each[0].name))
    with ThreadPoolExecutor(ASKED_AT_ONCE) as pool:  # one slow server must not delay the others
        statuses = tuple(pool.map(lambda each: _status(each[0], each[1], workspace.store), shown))
    if failures:
        raise merge_errors(failures, statuses)
    return statuses


def _nothing_deployed(workspace: Workspace, in_others: tuple[Deployment, ...], all_projects: bool) -> str:
    """Return the message that nothing is deployed, with the command that shows other deployments."""
    from deployer.rollout import other_deployments

    if in_others:
        others = ", ".join(sorted({f"[{each.env}]" for each in in_others}))
        command = f"deployer status --all{_scope_options(workspace.settings)}"
        return f"nothing is deployed in [{workspace.spec.env}]; {command} shows what is in {others}"
    return "nothing is deployed in any project" if all_projects else other_deployments.nothing_deployed(workspace)


def _scope_options(settings: Settings) -> str:
    """Return the options that select the same engine and project."""
    engine = f" --engine {settings.engine}" if settings.engine else ""
    project = f" --project {settings.project}" if settings.project else ""
    place = f" --state-dir {shlex.quote(str(settings.state_dir))}" if settings.state_dir else ""
    return f"{engine}{project}{place}"


def _named(workspace: Workspace, name: str) -> tuple[tuple[Deployment, str], ...]:
    """Return the deployment of that name on each engine that has it. Raises DeploymentNotFound."""
    name = workspace.deployment_name(name)
    observed = ((engine, engine.observe(name, workspace.spec.env)) for engine in workspace.engines_with(name))
    found = tuple(each for engine, seen in observed if seen for each in _with_image_notes(engine, (seen,)))
    found += tuple(
        each for engine in workspace.engines_with(name) for each in _lost(engine, "", name, workspace.spec.env)
    )
    if not found:
        raise workspace.not_deployed_error(name)
    return found


def _deployments(engine: Engine, all_projects: bool, progress: Progress) -> tuple[tuple[Deployment, str], ...]:
    others = engine.inventory.other_projects() if all_projects else ()
    found = tuple(
        found for each in (engine, *others) for found in _with_image_notes(each, each.inventory.observe_all())
    )
    found += _lost(engine, "")
    found += tuple(lost for each in others for lost in _lost(each, _engine_options(each)))
    for stranger in engine.inventory.conflicts():
        progress(f"{stranger}; it is left alone")
    return found


def _lost(engine: Engine, options: str, *key: str) -> tuple[tuple[Deployment, str], ...]:
    """Return the servers whose state directory is lost, each with a note; `options` select the engine."""
    return tuple(
        (lost, f"its state directory is lost: deployer down {cli_name(lost.name, lost.env)}{options} ends the server")
        for lost in engine.inventory.lost(*key)
    )


def _engine_options(engine: Engine) -> str:
    """Return the options that select the embedded engine of another directory."""
    traits = engine.traits
    return f" --project {traits.project} --state-dir {shlex.quote(str(traits.state_dir))} --engine {traits.name}"


def _with_image_notes(engine: Engine, deployments: tuple[Deployment, ...]) -> tuple[tuple[Deployment, str], ...]:
    """Return each deployment with a note if the tag of its image has moved."""
    images = engine.images.find({each.image_name for each in deployments if each.image_name})
    return tuple((each, _image_note(images.get(each.image_name), each)) for each in deployments)


def _image_note(image: NamedImage | None, deployment: Deployment) -> str:
    cause = image_change(image, deployment) if deployment.running else None
    return f"{cause}: deployer up {cli_name(deployment.name, deployment.env)} would replace the server" if cause else ""


def _status(deployment: Deployment, note: str, store: Store) -> DeploymentStatus:
    if deployment.role == LOST:
        return DeploymentStatus(deployment, (), healthy=False, detail=note)
    store = Store(deployment.store) if deployment.store else store
    missing = ", ".join(store.missing_versions(deployment.models))
    lost = f"{missing} is no longer in {store.root}: put it back" if missing else ""
    gateway = deployment.gateway
    tls, tokens = (gateway is not None and gateway.certificate is not None), (gateway is not None and gateway.guarded)
    exposed = exposure(deployment.host, tls=tls, tokens=tokens)
    return dataclasses.replace(
        _reported(deployment), warning="; ".join(filter(None, (deployment.config_note, lost, note, exposed)))
    )


def _reported(deployment: Deployment) -> DeploymentStatus:
    if stopped := stopped_component(deployment):
        detail = f"its {stopped} is not running: deployer up {cli_name(deployment.name, deployment.env)}"
        return DeploymentStatus(deployment, (), healthy=False, detail=detail)
    client = Client(deployment.endpoints, STATUS_SECONDS, deployment.gateway, PATIENCE_SECONDS)
    try:
        states = tuple(state for model in deployment.models for state in client.states(model.name))
    except DeployerError as error:
        return DeploymentStatus(deployment, (), healthy=False, detail=error.message)
    missing = _missing(deployment, states)
    return DeploymentStatus(deployment, states, healthy=not missing, detail=missing or "all versions are available")


def _missing(deployment: Deployment, states: tuple[ModelState, ...]) -> str:
    available = {(state.model, state.version) for state in states if state.state == "AVAILABLE"}
    desired = [(model.name, version) for model in deployment.models for version in model.versions]
    return ", ".join(
        f"{name}:{version} is not available" for name, version in desired if (name, version) not in available
    )
