"""Hints with the command that serves again what a deployment served before its server stopped."""

from __future__ import annotations

import contextlib
import dataclasses
import shlex
from collections.abc import Iterator

from deployer.config.spec import Spec
from deployer.errors import DeployerError
from deployer.results.deployment import Deployment, format_models
from deployer.results.history import Outcome
from deployer.rollout.desired import desired_spec
from deployer.rollout.export_options import ExportOptions
from deployer.rollout.lost_versions import recovery_command
from deployer.rollout.workspace import Workspace, open_workspace, stopped_component
from deployer.store.store import Store


def restart_hint(workspace: Workspace, deployment: Deployment) -> str:
    """Return the command that serves the models of a stopped deployment again, at their versions and labels.

    Without such a command, the hint says what `up` would serve instead.
    """
    with contextlib.suppress(DeployerError):
        workspace = _in_environment(workspace, deployment.env)
        store = Store(deployment.store) if deployment.store else workspace.store
        if lost := next((model for model in deployment.models if store.missing_versions((model,))), None):
            return recovery_command(workspace, deployment, lost)
        for target in _targets(workspace, deployment):
            if _serves_same(workspace, target, deployment, store):
                return f"deployer up {_arguments(workspace, target or '', deployment)} starts it".replace("  ", " ")
        if number := _release(workspace, deployment):
            return f"deployer rollback {workspace.cli_target(deployment.name)} --to {number} starts it"
    served = format_models(deployment.models)
    target = f"{deployment.name}:VERSION" if len(deployment.models) == 1 else "NAME:VERSION"
    return f"deployer up {_arguments(workspace, target, deployment)} serves one version of what it served: {served}"


def keep_labels(spec: Spec, observed: Deployment | None, store: Store) -> Spec:
    """Return the spec with the labels of a stopped deployment, for models without labels that keep their versions."""
    if observed is None or not stopped_component(observed):
        return spec
    models = dict(spec.models)
    for served in observed.models:
        listed = models.get(served.name)
        if listed is None or listed.labels or not served.labels:
            continue
        versions = tuple(sorted(set(listed.versions))) or store.versions(served.name)[-1:]
        if versions == served.versions and (listed.source is None or listed.versions):
            models[served.name] = dataclasses.replace(listed, labels=dict(served.labels))
    return dataclasses.replace(spec, models=models)


def _in_environment(workspace: Workspace, env: str) -> Workspace:
    if env == workspace.spec.env:
        return workspace
    return open_workspace(dataclasses.replace(workspace.settings, env=env))


def _targets(workspace: Workspace, deployment: Deployment) -> Iterator[str | None]:
    """Yield the targets of `up` that may serve the deployment again; None stands for `deployer.toml`."""
    versions = (f"{model.name}:{model.versions[0]}" for model in deployment.models if len(model.versions) == 1)
    listed = (None,) if workspace.spec.models else ()
    yield from (*versions, *listed) if len(deployment.models) == 1 else (*listed, *versions)


def _serves_same(workspace: Workspace, target: str | None, deployment: Deployment, store: Store) -> bool:
    """Return whether `up` with this target serves the same models, versions and labels under the same name."""
    spec = keep_labels(desired_spec(workspace, target, ExportOptions()), deployment, store)
    if spec.deployment != deployment.name or any(model.source is not None for model in spec.models.values()):
        return False
    desired = {
        name: (tuple(sorted(set(model.versions))) or store.versions(name)[-1:], dict(model.labels))
        for name, model in spec.models.items()
    }
    return desired == {model.name: (model.versions, dict(model.labels)) for model in deployment.models}


def _release(workspace: Workspace, deployment: Deployment) -> int | None:
    """Return the newest release of the history with these models; None without one, or for another store."""
    if workspace.settings.models_dir or _other_store(workspace, deployment):
        return None  # `rollback` takes no --models-dir
    ledger = workspace.for_deployment(deployment.name).ledger
    releases = ledger.releases(deployment.name, deployment.env, deployment.engine)
    succeeded = (each for each in releases if (each.outcome, each.change != "remove") == (Outcome.SUCCEEDED, True))
    return next((each.number for each in succeeded if each.models == deployment.models), None)


def _arguments(workspace: Workspace, target: str, deployment: Deployment) -> str:
    """Return the arguments of `up` for a target, with the store that the deployment has."""
    other = _other_store(workspace, deployment)
    store = f" --models-dir {shlex.quote(str(deployment.store))}" if other else workspace.store_option
    return f"{workspace.cli_target(target, deployment.env)}{store}".strip()


def _other_store(workspace: Workspace, deployment: Deployment) -> bool:
    return deployment.store not in (None, workspace.spec.models_dir.resolve())
