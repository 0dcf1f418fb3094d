"""`status`: what is deployed, and what its servers say of themselves."""

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
from deployer.rollout.plan import image_change
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
    """Every deployment of the project in this environment, in all with `all_envs`, or the named one; with
    `all_projects` every deployment that the engines have. `progress` is called with what says that it is the
    project's and cannot be believed, and where there is nothing with what shows more.

    Raises DeploymentNotFound; and EngineError where an engine does not answer: what the others have is in its
    `results`.
    """
    all_envs = all_envs or all_projects
    opened = open_all_environments if all_envs else open_workspace
    workspace = opened(settings or Settings())
    if name is not None:
        return tuple(_status(found, moved, workspace.store) for found, moved in _named(workspace, name))
    all_of_them, failures = collect_errors(
        partial(_there, engine, all_projects, progress) for engine in workspace.engines
    )
    observed = {found.release: (found, moved) for found, moved in all_of_them}  # an engine may have two addresses
    there = [each for each in observed.values() if all_envs or each[0].env == workspace.spec.env]
    if not there and (observed or not failures):
        progress(_nothing(workspace, tuple(found for found, _ in observed.values()), all_projects))
    there.sort(key=lambda each: (each[0].project, each[0].env, each[0].name))
    with ThreadPoolExecutor(ASKED_AT_ONCE) as pool:  # one that does not answer must not keep the others waiting
        statuses = tuple(pool.map(lambda each: _status(each[0], each[1], workspace.store), there))
    if failures:
        raise merge_errors(failures, statuses)
    return statuses


def _nothing(workspace: Workspace, in_others: tuple[Deployment, ...], all_projects: bool) -> str:
    """That nothing is where it was looked for, and what shows what there is."""
    from deployer.rollout import other_deployments

    if in_others:
        others = ", ".join(sorted({f"[{found.env}]" for found in in_others}))
        command = f"deployer status --all{_typed(workspace.settings)}"
        return f"nothing is deployed in [{workspace.spec.env}]; {command} shows what is in {others}"
    return "nothing is deployed in any project" if all_projects else other_deployments.nothing_deployed(workspace)


def _typed(settings: Settings) -> str:
    """The options of a command that say which engine and project are looked at."""
    engine = f" --engine {settings.engine}" if settings.engine else ""
    project = f" --project {settings.project}" if settings.project else ""
    place = f" --state-dir {shlex.quote(str(settings.state_dir))}" if settings.state_dir else ""
    return f"{engine}{project}{place}"


def _named(workspace: Workspace, name: str) -> tuple[tuple[Deployment, str], ...]:
    """The deployment of that name, on each engine that has it. Raises DeploymentNotFound."""
    name = workspace.deployment_name(name)
    there = ((engine, engine.observe(name, workspace.spec.env)) for engine in workspace.engines_with(name))
    found = tuple(each for engine, seen in there if seen for each in _with_moved(engine, (seen,)))
    found += tuple(
        each for engine in workspace.engines_with(name) for each in _lost(engine, "", name, workspace.spec.env)
    )
    if not found:
        raise workspace.not_deployed_error(name)
    return found


def _there(engine: Engine, all_projects: bool, progress: Progress) -> tuple[tuple[Deployment, str], ...]:
    others = engine.inventory.other_projects() if all_projects else ()
    found = tuple(found for each in (engine, *others) for found in _with_moved(each, each.inventory.observe_all()))
    found += _lost(engine, "")
    found += tuple(lost for each in others for lost in _lost(each, _where(each)))
    for told in engine.inventory.strangers():
        progress(f"{told}; it is left alone")
    return found


def _lost(engine: Engine, where: str, *key: str) -> tuple[tuple[Deployment, str], ...]:
    """Servers whose state directory is lost, each with what ends it; `where` has the engine's options."""
    return tuple(
        (found, f"its state directory is lost: deployer down {cli_name(found.name, found.env)}{where} ends the server")
        for found in engine.inventory.lost(*key)
    )


def _where(engine: Engine) -> str:
    """The options by which the deployments of an embedded engine elsewhere are meant."""
    traits = engine.traits
    return f" --project {traits.project} --state-dir {shlex.quote(str(traits.state_dir))} --engine {traits.name}"


def _with_moved(engine: Engine, there: tuple[Deployment, ...]) -> tuple[tuple[Deployment, str], ...]:
    """Each with what is to be said of a tag that has moved since."""
    images = engine.images.find({found.image_name for found in there if found.image_name})
    return tuple((found, _moved(images.get(found.image_name), found)) for found in there)


def _moved(image: NamedImage | None, found: Deployment) -> str:
    cause = image_change(image, found) if found.running else None
    return f"{cause}: deployer up {cli_name(found.name, found.env)} would replace the server" if cause else ""


def _status(deployment: Deployment, moved: str, store: Store) -> DeploymentStatus:
    if deployment.role == LOST:
        return DeploymentStatus(deployment, (), healthy=False, detail=moved)
    store = Store(deployment.store) if deployment.store else store
    lacking = ", ".join(store.lacking(deployment.models))
    lost = f"{lacking} is no longer in {store.root}: put it back" if lacking else ""
    gateway = deployment.gateway
    tls, tokens = (gateway is not None and gateway.certificate is not None), (gateway is not None and gateway.guarded)
    exposed = exposure(deployment.host, tls=tls, tokens=tokens)
    return dataclasses.replace(
        _asked(deployment), warning="; ".join(filter(None, (deployment.config_note, lost, moved, exposed)))
    )


def _asked(deployment: Deployment) -> DeploymentStatus:
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
    wanted = [(model.name, version) for model in deployment.models for version in model.versions]
    return ", ".join(
        f"{name}:{version} is not available" for name, version in wanted if (name, version) not in available
    )
