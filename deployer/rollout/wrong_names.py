"""Hints for names that are no deployment: a version, a model of a deployment, a deployment on another engine."""

from __future__ import annotations

import contextlib
import dataclasses

from deployer import engines
from deployer.errors import DeployerError
from deployer.results.deployment import Deployment
from deployer.results.model import NAME
from deployer.rollout.workspace import Workspace

WITH_MODEL = ("predict", "redeploy")
WITH_VERSION = ("predict", "redeploy")
"""Commands with the option `--model`, and those with `--version`, that need no further arguments."""


def hint_for_version(workspace: Workspace, name: str, version: str) -> str:
    """Return the hint for NAME:VERSION in the place of a deployment."""
    command = _command(workspace, name)
    if not NAME.fullmatch(name) or not command:
        return "give the name without a version"
    if workspace.command in WITH_VERSION and version.isdecimal():
        return f"did you mean `{command} --version {version}`?"
    if workspace.command == "rollback" and version.isdecimal():
        return f"deployer redeploy {workspace.cli_target(name)}{workspace.store_option} --version {version} serves it"
    return f"{name} is the deployment: {command} is for all its versions"


def hint_for_model(workspace: Workspace, name: str, deployed: tuple[Deployment, ...]) -> str:
    """Return the hint for a model of a deployment in the place of the deployment; empty for another name."""
    for deployment in deployed:
        if deployment.env == workspace.spec.env and any(model.name == name for model in deployment.models):
            command = _command(workspace, deployment.name)
            text = f"{name} is a model of {deployment.name}"
            if workspace.command in WITH_MODEL:
                return f"{text}: {command} --model {name}"
            if not command:
                return f"{text}: name {deployment.name}"
            return f"{text}: {command} is for all its models{_redeploy_hint(workspace, deployment, name)}"
    return ""


def _redeploy_hint(workspace: Workspace, deployment: Deployment, model: str) -> str:
    """Return the hint that goes back with one model alone, in the place of a rollback; empty without a version."""
    current = max(version for served in deployment.models if served.name == model for version in served.versions)
    older = [version for version in workspace.store.versions(model) if version < current]
    if workspace.command != "rollback" or not older:
        return ""
    target = f"{workspace.cli_target(deployment.name)}{workspace.store_option}"
    return f"; deployer redeploy {target} --model {model} --version {older[-1]} goes back with {model} alone"


def hint_for_engine(workspace: Workspace, name: str) -> str:
    """Return the hint for a deployment on an engine that the settings leave out; empty without one."""
    for engine in (*engines.unselected_engines(workspace.spec).engines, *engines.unselected_swarm(workspace.spec)):
        with contextlib.suppress(DeployerError):
            if engine.observe(name, workspace.spec.env):
                other = engine.traits.name
                covering = ("auto", other) if other in engines.AUTOMATIC else (other,)
                default = ", or leave --engine out" if _default_engine(workspace) in covering else ""
                return f"{name} is on {other}: --engine {other}{default}"
    return ""


def _default_engine(workspace: Workspace) -> str:
    """Return the engine of the settings without `--engine`; empty if that was not given."""
    from deployer.config import loader

    settings = workspace.settings
    if settings.engine is None:
        return ""
    without = dataclasses.replace(settings, engine=None)
    spec, _ = loader.load_with_origins(without.config, without.env, without.overrides(), allow_unset=True)
    return spec.engine


def _command(workspace: Workspace, name: str) -> str:
    """Return the command that was typed, for another name; empty if it needs more than a name."""
    if not workspace.command:
        return ""
    return f"deployer {workspace.command} {workspace.cli_target(name)}{workspace.store_option}"
