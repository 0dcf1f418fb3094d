"""Hints with the command that serves again what a deployment served before its server stopped."""

from __future__ import annotations

import contextlib
import dataclasses
import shlex
from collections.abc import Iterable, Iterator

from deployer.config.spec import ModelSpec
from deployer.errors import DeployerError
from deployer.results.deployment import Deployment
from deployer.results.history import Outcome
from deployer.results.served import ServedModel, format_models
from deployer.rollout.desired import desired_spec
from deployer.rollout.export_options import ExportOptions
from deployer.rollout.lost_versions import recovery_command
from deployer.rollout.served_models import keep_labels
from deployer.rollout.workspace import Workspace, open_workspace
from deployer.store.store import Store

ANSWER_SECONDS = 2.0


def restart_hint(workspace: Workspace, deployment: Deployment, effect: str = "") -> str:
    """Return the command that serves the models of a deployment again, at their versions and labels, with its effect.

    Of a running deployment, it changes the rest: its server or its gateway.

    Without such a command, the hint says what `up` would serve instead. A variable that the command needs and that has
    no value is named, too.
    """
    opened = workspace
    with contextlib.suppress(DeployerError):
        opened = _in_environment(workspace, deployment.env)
    return f"{_restart_hint(workspace, deployment, effect)}{opened.origins.needs}"


def _restart_hint(workspace: Workspace, deployment: Deployment, effect: str) -> str:
    effect = effect or ("resumes it" if deployment.paused_component else "starts it")
    if deployment.in_image:
        return f"deployer up {workspace.cli_target(deployment.image_reference, deployment.env)} {effect}"
    with contextlib.suppress(DeployerError):
        workspace = _in_environment(workspace, deployment.env)
        store = Store(deployment.store) if deployment.store else workspace.store
        if lost := next((model for model in deployment.models if store.missing_versions((model,))), None):
            return recovery_command(workspace, deployment, lost)
        for target in _targets(workspace, deployment):
            if _serves_same(workspace, target, deployment, store):
                return f"deployer up {_arguments(workspace, target or '', deployment)} {effect}".replace("  ", " ")
        if number := _release(workspace, deployment):
            return f"deployer rollback {_arguments(workspace, deployment.name, deployment)} --to {number} {effect}"
    served = format_models(deployment.models)
    if len(deployment.models) > 1 and _is_listed(workspace, deployment):
        up = f"deployer up {_arguments(workspace, '', deployment)}".strip()
        return f"{up} deploys what deployer.toml lists; it served {served}"
    target = f"{deployment.name}:VERSION" if len(deployment.models) == 1 else "NAME:VERSION"
    return f"deployer up {_arguments(workspace, target, deployment)} serves one version of what it served: {served}"


def lost_hint(workspace: Workspace, lost: Deployment) -> str:
    """Return the commands that end a server whose state directory is lost, and deploy what it serves again."""
    versions = available_versions(lost, lost.name)
    if not versions and (found := _listed_models(workspace, lost)):
        lost = dataclasses.replace(lost, models=found)
        down = f"deployer down {workspace.cli_target(lost.name, lost.env)} ends it"
        return f"{down}; after that, {restart_hint(workspace, lost, f'serves {format_models(found)} again')}"
    single = f"{lost.name}:{versions[0]}" if len(versions) == 1 else f"{lost.name}:VERSION"
    serves = f" (it serves {', '.join(map(str, versions))})" if len(versions) > 1 else ""
    down = f"deployer down {workspace.cli_target(lost.name, lost.env)} ends it"
    return f"{down}; after that, deployer up {_arguments(workspace, single, lost)} serves that version{serves}"


def config_note(workspace: Workspace, deployment: Deployment) -> str:
    """Return the notice about lost directories, with the command that replaces what has lost them; empty without."""
    if not deployment.lost_parts:
        return ""
    effect = f"replaces the {deployment.lost_parts}"
    served = (reported(deployment, model) for model in deployment.models)
    command = restart_hint(workspace, dataclasses.replace(deployment, models=tuple(served)), effect)
    return f"{deployment.config_note}; {command}"


def available_versions(deployment: Deployment, model: str) -> tuple[int, ...]:
    """Return the versions of a model that a server reports as available; empty if it does not answer."""
    from deployer.client.client import Client

    endpoints, gateway = deployment.client_route
    client = Client(endpoints, ANSWER_SECONDS, gateway, retry_seconds=0.0)
    with contextlib.suppress(DeployerError), contextlib.closing(client):
        return tuple(sorted(state.version for state in client.states(model) if state.state == "AVAILABLE"))
    return ()


def reported(deployment: Deployment, model: ServedModel) -> ServedModel:
    """Return a model with the versions that the server reports, if it answers."""
    versions = available_versions(deployment, model.name)
    if not versions or versions == model.versions:
        return model
    labels = tuple((label, version) for label, version in model.labels if version in versions)
    return ServedModel(model.name, versions, labels)


def during_reload(deployment: Deployment, model: ServedModel) -> ServedModel:
    """Return a model with the versions and the labels to which its server answers during a reload, if it answers."""
    versions = available_versions(deployment, model.name)
    if not versions:
        return model
    coming = next((each for each in deployment.reloading_to or () if each.name == model.name), model)
    digests = tuple(model.digest_of(version) or coming.digest_of(version) for version in versions)
    labels = _answering_labels(deployment, model.name, {*dict(model.labels), *dict(coming.labels)})
    return ServedModel(model.name, versions, labels, digests)


def _answering_labels(deployment: Deployment, model: str, labels: Iterable[str]) -> tuple[tuple[str, int], ...]:
    from deployer.client.client import Client

    endpoints, gateway = deployment.client_route
    client, found = Client(endpoints, ANSWER_SECONDS, gateway, retry_seconds=0.0), {}
    for label in sorted(labels):
        with contextlib.suppress(DeployerError):
            found[label] = client.answering_version(model, label)
    return tuple(found.items())


def _listed_models(workspace: Workspace, lost: Deployment) -> tuple[ServedModel, ...]:
    """Return the models of `deployer.toml` that a lost server has, if it is the deployment of the file."""
    listed = workspace.spec.models if _is_listed(workspace, lost) else {}
    served = (ServedModel(name, available_versions(lost, name)) for name in listed)
    return tuple(model for model in served if model.versions)


def _is_listed(workspace: Workspace, deployment: Deployment) -> bool:
    """Return whether `deployer.toml` lists the models of a deployment."""
    spec = workspace.spec
    return (spec.name or (*spec.models, "")[0]) == deployment.name and bool(spec.models)


def _in_environment(workspace: Workspace, env: str) -> Workspace:
    if env == workspace.spec.env:
        return workspace
    return open_workspace(dataclasses.replace(workspace.settings, env=env), allow_unset=True)


def _targets(workspace: Workspace, deployment: Deployment) -> Iterator[str | None]:
    """Yield the targets of `up` that may serve the deployment again; None stands for `deployer.toml`."""
    versions = (f"{model.name}:{model.versions[0]}" for model in deployment.models if len(model.versions) == 1)
    listed = (None,) if workspace.spec.models else ()
    yield from (*versions, *listed) if len(deployment.models) == 1 else (*listed, *versions)


def _serves_same(workspace: Workspace, target: str | None, deployment: Deployment, store: Store) -> bool:
    """Return whether `up` with this target serves the same models, versions and labels under the same name."""
    spec = desired_spec(workspace, target, ExportOptions())
    if spec.deployment != deployment.name or any(model.source is not None for model in spec.models.values()):
        return False
    desired = {_without_digests(_resolve(name, model, deployment, store)) for name, model in spec.models.items()}
    return desired == set(map(_without_digests, deployment.models))


def _resolve(name: str, model: ModelSpec, deployment: Deployment, store: Store) -> ServedModel:
    versions = tuple(sorted(set(model.versions))) or store.versions(name)[-1:]
    served = ServedModel(name, versions, tuple(sorted(model.labels.items())))
    return keep_labels(served, model, None if deployment.running else deployment)


def _without_digests(model: ServedModel) -> ServedModel:
    return dataclasses.replace(model, digests=())


def _release(workspace: Workspace, deployment: Deployment) -> int | None:
    """Return the newest release of the history with these models; None without one."""
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
