"""`status`: list the deployments, with the states that their servers report."""

from __future__ import annotations

import dataclasses
from collections.abc import Collection, Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import NamedTuple

from deployer.config.gateway import unused_settings
from deployer.config.options import LOCATION, Settings
from deployer.engines.base import Engine
from deployer.errors import DeployerError
from deployer.results.deployment import LOST, Deployment, cli_name
from deployer.results.launch import NamedImage
from deployer.results.progress import Note, Progress, no_progress
from deployer.results.running import DeploymentStatus
from deployer.results.served import format_models
from deployer.rollout import gone, health, killed_releases, lookup, other_deployments, other_engines
from deployer.rollout.addresses import exposure
from deployer.rollout.causes import image_change
from deployer.rollout.environments import open_environments
from deployer.rollout.restart import config_note, restart_hint
from deployer.rollout.workspace import Workspace, open_workspace
from deployer.store.store import Store
from deployer.system.attempts import collect_errors, merge_errors

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
    commands that show others. Raises DeploymentNotFound for a name; EngineError if an engine does not answer, and
    ConfigError for an environment whose settings are wrong, with the deployments of the others in its `results`.
    """
    all_envs = all_envs or all_projects
    workspace, wrong = _open(settings or Settings(), all_envs=all_envs)
    if name is not None:
        named = _named(workspace, name, progress)
        _note_unused_gateway(workspace, named, progress)
        _note_other_directories(workspace, named, progress)
        shown_one = tuple(_status(*found) for found in named)
        if wrong:
            raise merge_errors(wrong, shown_one)
        return shown_one
    found, unreachable = collect_errors(
        partial(_deployments, workspace, engine, all_projects, None if all_envs else workspace.spec.env, progress)
        for engine in workspace.engines
    )
    failures = (*unreachable, *wrong)
    # By release: an engine that is reached at two addresses shows its deployments twice.
    observed = {each.deployment.release: each for each in found}
    shown = [each for each in observed.values() if all_envs or each.deployment.env == workspace.spec.env]
    if not shown and (observed or not failures):
        progress(Note(_nothing_deployed(workspace, tuple(each.deployment for each in observed.values()), all_projects)))
    if not failures:
        _note_gone(workspace, found, None if all_envs else workspace.spec.env, progress)
        _note_other_engines(workspace, found, None if all_envs else workspace.spec.env, progress)
    _note_unused_gateway(workspace, shown, progress)
    if not all_projects:
        _note_other_directories(workspace, shown, progress)
    shown.sort(key=lambda each: (each.deployment.project, each.deployment.env, each.deployment.name))
    with ThreadPoolExecutor(ASKED_AT_ONCE) as pool:  # one slow server must not delay the others
        statuses = tuple(pool.map(lambda each: _status(*each), shown))
    if failures:
        raise merge_errors(failures, statuses)
    return statuses


def _open(settings: Settings, *, all_envs: bool) -> tuple[Workspace, tuple[DeployerError, ...]]:
    """Return the workspace, with the engines of all environments if asked for, and the errors of wrong ones."""
    if all_envs:
        environments = open_environments(settings)
        return dataclasses.replace(environments.workspace, command="status"), environments.failures
    return open_workspace(settings, "status", allow_unset=True), ()


def _nothing_deployed(workspace: Workspace, in_others: tuple[Deployment, ...], all_projects: bool) -> str:
    """Return the message that nothing is deployed, with the command that shows other deployments."""
    if in_others:
        others = ", ".join(sorted({f"[{each.env}]" for each in in_others}))
        command = f"deployer status --all{workspace.settings.typed(*LOCATION)}"
        on_engine = f" on {workspace.spec.engine}" if workspace.spec.engine != "auto" else ""
        return f"nothing is deployed{on_engine} in [{workspace.spec.env}]; {command} shows what is in {others}"
    return _no_server(workspace) if all_projects else other_deployments.nothing_deployed(workspace)


def _no_server(workspace: Workspace) -> str:
    """Return the message that no project has a server on the engines of the workspace."""
    names = workspace.engine_names
    # Embedded servers of other directories are found by their processes, which a stopped one no longer has.
    stopped = "; deployer status in its own directory shows one that has stopped" if "embedded" in names else ""
    others = "; --engine auto asks all engines" if len(names) == 1 and workspace.spec.engine != "auto" else ""
    return f"no server runs on {' or '.join(names)} in any project{stopped}{others}"


class _Found(NamedTuple):
    """A deployment with a note, and the workspace with its engine and the options that select it."""

    deployment: Deployment
    note: str
    workspace: Workspace


def _note_unused_gateway(workspace: Workspace, shown: Collection[_Found], progress: Progress) -> None:
    """Show that settings of the gateway have no effect, where deployments of the environment run without one."""
    own = [each.deployment for each in shown if each.deployment.env == workspace.spec.env]
    unused = unused_settings(workspace.spec.gateway, workspace.origins)
    if unused and own and not any(deployment.gateway for deployment in own):
        progress(Note(unused))


def _note_gone(workspace: Workspace, found: Collection[_Found], env: str | None, progress: Progress) -> None:
    """Show the deployments whose server is gone, with the command that serves their models again."""
    for engine in workspace.engines:
        opened = dataclasses.replace(workspace, engines=(engine,))
        known = (each.deployment for each in found if each.deployment.engine == engine.traits.name)
        for each in gone.find_all(opened, known, env):
            hint = restart_hint(opened, each, f"serves {format_models(each.models)} again")
            left = "; its gateway still holds the ports" if engine.leftovers(each.name, each.env) else ""
            progress(Note(f"{gone.note(each)}{left}: {hint}"))


def _note_other_engines(workspace: Workspace, found: Collection[_Found], env: str | None, progress: Progress) -> None:
    """Show the deployments that were made on an engine at another address, with the command that asks that one."""
    has = {(each.deployment.name, each.deployment.env) for each in found}
    asked = {engine.traits.address for engine in workspace.engines}
    for engine in workspace.engines:
        opened = dataclasses.replace(workspace, engines=(engine,))
        for key in other_engines.keys(opened, env):
            if key not in has and other_engines.address_of(opened, *key) not in asked:
                command = other_engines.hint(opened, "status", *key)
                progress(Note(f"{other_engines.note(opened, *key)}: {command} shows that one"))


def _note_other_directories(workspace: Workspace, shown: Collection[_Found], progress: Progress) -> None:
    """Show which deployments the project has in another state directory, too."""
    keys = {(each.deployment.name, each.deployment.env) for each in shown}
    for text, other in other_deployments.second_deployments(workspace, *sorted(keys)):
        command = other_deployments.command_line(workspace, "status", other.option, other.env(workspace))
        progress(Note(f"{text} is deployed from another state directory, too: {command} shows that one"))


def _named(workspace: Workspace, name: str, progress: Progress) -> tuple[_Found, ...]:
    """Return the deployment of that name on each engine that has it. Raises DeploymentNotFound."""
    name = lookup.deployment_name(workspace, name)
    key = (name, workspace.spec.env)
    opened = [dataclasses.replace(workspace, engines=(engine,)) for engine in workspace.engines_with(name)]
    observed = ((each, each.engine.observe(*key)) for each in opened)
    found = tuple(each for one, seen in observed if seen for each in _with_image_notes(one, (seen,)))
    found += tuple(each for one in opened for each in _lost(one, *key))
    if not found:
        for one in opened:
            _show_killed(one, (), progress, *key)
        raise lookup.not_deployed_error(workspace, name)
    return found


def _deployments(
    workspace: Workspace, engine: Engine, all_projects: bool, env: str | None, progress: Progress
) -> tuple[_Found, ...]:
    others = engine.inventory.other_projects() if all_projects else ()
    opened = (dataclasses.replace(workspace, engines=(engine,)), *(_of_project(workspace, other) for other in others))
    found = tuple(found for each in opened for found in _with_image_notes(each, each.engine.inventory.observe_all()))
    for each in opened:
        _show_killed(each, found, progress, env=env)
    found += tuple(lost for each in opened for lost in _lost(each))
    for stranger in engine.inventory.conflicts():
        progress(Note(f"{stranger}; it is left alone"))
    return found


def _show_killed(
    workspace: Workspace, found: Iterable[_Found], progress: Progress, name: str | None = None, env: str | None = None
) -> None:
    """Show the releases that were killed before their deployment could be found."""
    engine, keys = workspace.engine, {(each.deployment.name, each.deployment.env) for each in found}
    for killed, note in killed_releases.notes(workspace.ledger_of(engine), engine, name, env):
        if (killed.name, killed.env) not in keys:
            progress(Note(note))


def _lost(workspace: Workspace, *key: str) -> tuple[_Found, ...]:
    """Return the servers whose state directory is lost, each with a note."""
    return tuple(
        _Found(lost, f"its state directory is lost: {_command(workspace, 'down', lost)} ends the server", workspace)
        for lost in workspace.engine.inventory.lost(*key)
    )


def _command(workspace: Workspace, verb: str, deployment: Deployment) -> str:
    return f"deployer {verb} {workspace.cli_target(deployment.name, deployment.env)}"


def _of_project(workspace: Workspace, other: Engine) -> Workspace:
    """Return the workspace with the engine of another project, and the options that select it."""
    traits = other.traits
    settings = dataclasses.replace(
        workspace.settings, project=traits.project, state_dir=traits.state_dir, engine=traits.name
    )
    return dataclasses.replace(workspace, engines=(other,), settings=settings)


def _with_image_notes(workspace: Workspace, deployments: tuple[Deployment, ...]) -> tuple[_Found, ...]:
    """Return each deployment with a note if the tag of its image has moved."""
    images = workspace.engine.images.find({each.image_name for each in deployments if each.image_name})
    return tuple(_Found(each, _image_note(images, each, workspace), workspace) for each in deployments)


def _image_note(images: Mapping[str, NamedImage], deployment: Deployment, workspace: Workspace) -> str:
    cause = image_change(images.get(deployment.image_name), deployment) if deployment.running else None
    return f"{cause}: {restart_hint(workspace, deployment, 'would replace the server')}" if cause else ""


def _status(observed: Deployment, note: str, workspace: Workspace) -> DeploymentStatus:
    if observed.role == LOST:
        return DeploymentStatus(observed, (), healthy=False, detail=note)
    engine, ledger = workspace.engine, workspace.ledger_of(workspace.engine)
    deployment = killed_releases.accepted(engine, observed)
    is_replaced = deployment is not observed or killed_releases.may_be_replaced(ledger, engine, deployment)
    store = Store(deployment.store) if deployment.store else workspace.store
    missing = "" if deployment.in_image else ", ".join(store.missing_versions(deployment.models))
    lost = f"{missing} is no longer in {store.root}: put it back" if missing else ""
    gateway = deployment.gateway
    tls, tokens = (gateway is not None and gateway.certificate is not None), (gateway is not None and gateway.guarded)
    is_unknown = gateway is not None and (gateway.lost or not gateway.running)
    of_nodes = bool(deployment.nodes)
    exposed = (
        ""
        if is_unknown
        else exposure(deployment.host, tls=tls, tokens=tokens, of_nodes=of_nodes, machine=deployment.machine)
    )
    gone = _config_note(workspace, deployment)
    killed = killed_releases.killed_notes(ledger, engine, deployment)
    warning = "; ".join(
        filter(
            None,
            (
                _origin_note(workspace, deployment),
                *killed,
                gone,
                lost,
                note,
                deployment.replicas_note,
                exposed,
                _closed_note(workspace, deployment),
                deployment.reach_note,
            ),
        )
    )
    status = health.reported(workspace, deployment, may_be_replaced=is_replaced)
    return dataclasses.replace(status, warning=warning)


def _origin_note(workspace: Workspace, deployment: Deployment) -> str:
    """Return the note that a deployment of this project came from another directory."""
    if deployment.project != workspace.spec.project:
        return ""
    return other_deployments.origin_note(workspace, deployment, "it")


def _closed_note(workspace: Workspace, deployment: Deployment) -> str:
    """Return the note that no client has a token for the gateway."""
    if deployment.gateway is None or not deployment.gateway.closed:
        return ""
    create = f"deployer token NAME{cli_name('', deployment.env)}"
    up = restart_hint(workspace, deployment, "brings it there")
    return f"its gateway refuses every client, since no one has a token: {create} makes one, and {up}"


def _config_note(workspace: Workspace, deployment: Deployment) -> str:
    if not deployment.lost_parts:
        return ""
    return config_note(workspace, deployment)
