"""Find a deployment by its name. An error for one that does not exist names those that do."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable

from deployer.config.options import LOCATION
from deployer.errors import DeploymentNotFound, InvalidValue, NotRunning, UsageError
from deployer.results.deployment import LOST, Deployment
from deployer.results.model import check_name
from deployer.results.served import ServedModel, format_models
from deployer.rollout import gone, next_steps, other_engines
from deployer.rollout.other_deployments import hint_for_directories, hint_for_other_projects, hint_for_project
from deployer.rollout.workspace import Workspace
from deployer.rollout.wrong_names import hint_for_engine, hint_for_model, hint_for_version


def find(workspace: Workspace, name: str | None) -> Deployment:
    """Return a deployment, by default the one of `deployer.toml`. Raises DeploymentNotFound."""
    return _find(workspace, name, _observe)


def find_to_change(workspace: Workspace, name: str | None) -> Deployment:
    """Return a deployment as a change finds it, without what a killed command left. Raises DeploymentNotFound."""
    return _find(workspace, name, _foresee)


def find_or_gone(workspace: Workspace, name: str | None) -> Deployment:
    """Return a deployment as `find_to_change` does, also one that only the history has. Raises DeploymentNotFound."""
    return _find(workspace, name, _foresee, gone.find)


def _find(
    workspace: Workspace, name: str | None, *sources: Callable[[Workspace, str], Deployment | None]
) -> Deployment:
    """Return a deployment from the first source that has it. Raises DeploymentNotFound."""
    name = deployment_name(workspace, name)
    for source in sources:
        if found := source(workspace, name):
            return found
    raise not_deployed_error(workspace, name)


def _observe(workspace: Workspace, name: str) -> Deployment | None:
    return workspace.for_deployment(name).engine.observe(name, workspace.spec.env)


def _foresee(workspace: Workspace, name: str) -> Deployment | None:
    return workspace.for_deployment(name).engine.foresee(name, workspace.spec.env)


def find_running(workspace: Workspace, name: str | None) -> Deployment:
    """Return a deployment that answers requests. Raises DeploymentNotFound, NotRunning."""
    deployment = find(workspace, name)
    if deployment.silence:
        raise not_running_error(workspace, deployment)
    return deployment


def not_running_error(workspace: Workspace, deployment: Deployment) -> NotRunning:
    """Return the error for a deployment whose server or gateway is not running, or is paused."""
    logs = f"deployer logs {workspace.cli_target(deployment.name)} shows the end of its log"
    return NotRunning(
        f"{deployment.name} [{deployment.env}] does not answer: {deployment.silence}",
        hint=f"{_serve_again_hint(workspace, deployment)}; {logs}",
    )


def _serve_again_hint(workspace: Workspace, deployment: Deployment, effect: str = "") -> str:
    """Return the hint with the command that serves the models of a stopped or a lost deployment again."""
    from deployer.rollout import restart  # it imports the store, which `down` can do without

    if deployment.role == LOST:
        return restart.lost_hint(workspace, deployment)
    return restart.restart_hint(workspace, deployment, effect)


def not_deployed_error(workspace: Workspace, name: str) -> DeploymentNotFound:
    """Return the error for a deployment that does not exist, with hints to those that do."""
    lost = [each for engine in workspace.engines for each in engine.inventory.lost(name, workspace.spec.env)]
    if lost:
        return DeploymentNotFound(
            f"the state directory of {name} [{workspace.spec.env}] is lost: its server, process {lost[0].pid}, runs on",
            hint=_serve_again_hint(workspace, lost[0]),
        )
    verb, asked = workspace.command or "status", _asked(workspace, name)
    if elsewhere := other_engines.error(asked, verb, name, workspace.spec.env):
        return elsewhere
    if gone_server := gone.find(workspace, name):
        hint = _serve_again_hint(workspace, gone_server, f"serves {format_models(gone_server.models)} again")
        return DeploymentNotFound(gone.note(gone_server), hint=hint)
    problem = f"nothing is deployed as {name} [{workspace.spec.env}]"
    if on_other_engine := hint_for_engine(workspace, name):
        return DeploymentNotFound(problem, hint=on_other_engine)
    deployed = workspace.observe_all()
    steps = hint_for_model(workspace, name, deployed) or deploy_hint(workspace, deployed, name)
    hints = (hint_for_project(workspace, name), steps, hint_for_other_projects(workspace, name))
    return DeploymentNotFound(problem, hint="; ".join(filter(None, hints)))


def _asked(workspace: Workspace, name: str) -> Workspace:
    """Return the workspace with the engine that is asked for a deployment."""
    return dataclasses.replace(workspace, engines=workspace.engines_with(name)[:1])


def deploy_hint(workspace: Workspace, deployed: tuple[Deployment, ...] = (), name: str | None = None) -> str:
    """Return the hint for a deployment `name` that does not exist, or for an engine without any."""
    location = workspace.settings.typed(*LOCATION)
    hint = next_steps.deploy_hint(workspace.spec, deployed, name, location, workspace.store_option)
    return f"{hint}{workspace.origins.needs}"


def deployment_name(workspace: Workspace, name: str | None) -> str:
    """Return the name given, or the one of `deployer.toml`, or that of the only deployment.

    Raises InvalidValue if several are deployed, DeploymentNotFound if none is.
    """
    if name is not None and ":" in name:
        base, _, version = name.partition(":")
        hint = hint_for_version(workspace, base, version)
        raise InvalidValue(f"a deployment is named without a version, and not {name[:100]!r}", hint=hint)
    if name is not None:
        return check_name(name, "deployment")
    if workspace.spec.name or workspace.spec.models:
        return workspace.spec.deployment
    deployed = workspace.observe_all()
    observed = (*deployed, *(lost for engine in workspace.engines for lost in engine.inventory.lost()))
    names = sorted({each.name for each in observed if each.env == workspace.spec.env})
    if len(names) == 1:
        return names[0]
    if names:
        raise InvalidValue(f"which of {', '.join(names)}?", hint="name one of them")
    if elsewhere := next(other_engines.keys(workspace, workspace.spec.env), None):
        refused = other_engines.error(workspace, workspace.command or "status", *elsewhere)
        if refused is not None:
            raise refused
    hints = (hint_for_directories(workspace, workspace.command or "status"), deploy_hint(workspace, deployed))
    problem = f"nothing is deployed in [{workspace.spec.env}]"
    raise DeploymentNotFound(problem, hint="; ".join(filter(None, hints)))


def select_model(deployment: Deployment, name: str | None) -> ServedModel:
    """Return the model of that name, by default the only one. Raises UsageError without it, and for several."""
    names = [served.name for served in deployment.models]
    selected = names[0] if name is None and len(names) == 1 else name
    for served in deployment.models:
        if served.name == selected:
            return served
    problem = f"{deployment.name} serves no model {name}" if name else f"{deployment.name} serves several models"
    raise UsageError(problem, hint=f"--model one of: {', '.join(names)}")
