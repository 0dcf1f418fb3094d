"""What a running server reports: its versions, and whether they are those of the deployment."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator
from contextlib import suppress

from deployer.client.client import Client
from deployer.errors import DeployerError, RequestRefused
from deployer.results.deployment import Deployment
from deployer.results.running import DeploymentStatus, ModelState
from deployer.results.served import ServedModel
from deployer.rollout import killed_releases
from deployer.rollout.workspace import Workspace

STATUS_SECONDS = 5.0
PATIENCE_SECONDS = 1.0


def reported(workspace: Workspace, deployment: Deployment, *, may_be_replaced: bool = False) -> DeploymentStatus:
    """Return the states that the server of a deployment reports, and whether it serves what it should.

    During a reload, the server has the old or the new models. After one that was killed, it should have the old ones
    alone: the new ones were not accepted. It `may_be_replaced` by another server that was not accepted either.
    """
    if deployment.silence:
        from deployer.rollout.restart import restart_hint

        detail = f"{deployment.silence}: {restart_hint(workspace, deployment)}"
        return DeploymentStatus(deployment, (), healthy=False, detail=detail)
    endpoints, gateway = deployment.client_route
    client = Client(endpoints, STATUS_SECONDS, gateway, PATIENCE_SECONDS)
    try:
        states = tuple(_states(client, deployment))
        faults = _faults(workspace, client, deployment, states, may_be_replaced=may_be_replaced)
    except DeployerError as error:
        return DeploymentStatus(deployment, (), healthy=False, detail=error.message)
    return DeploymentStatus(deployment, states, healthy=not faults, detail=faults or "all versions are available")


def _states(client: Client, deployment: Deployment) -> Iterator[ModelState]:
    coming = deployment.reloading_to or ()
    for name in dict.fromkeys(model.name for model in (*deployment.models, *coming)):
        with suppress(*((RequestRefused,) if coming else ())):  # a reload may add or remove a model
            yield from client.states(name)


def _faults(
    workspace: Workspace, client: Client, deployment: Deployment, states: Iterable[ModelState], *, may_be_replaced: bool
) -> str:
    """Return what clients of the deployment find instead of what was accepted; empty if there is nothing."""
    available = {(state.model, state.version) for state in states if state.state == "AVAILABLE"}
    missing = _missing(deployment.models, available)
    if killed_releases.is_reload_killed(workspace.engine, deployment):
        return ", ".join((*missing, *_unaccepted(deployment.models, available), *_moved_labels(client, deployment)))
    if may_be_replaced:
        faults = (*missing, *_unaccepted(deployment.models, available))
        return ", ".join(faults) or "a server that was not accepted may answer requests"
    is_reloaded = bool(deployment.reloading_to) and not _missing(deployment.reloading_to or (), available)
    return "" if is_reloaded else ", ".join(missing)


def _missing(models: Iterable[ServedModel], available: Collection[tuple[str, int]]) -> list[str]:
    desired = ((model.name, version) for model in models for version in model.versions)
    return [f"{name}:{version} is not available" for name, version in desired if (name, version) not in available]


def _unaccepted(models: Iterable[ServedModel], available: Collection[tuple[str, int]]) -> Iterator[str]:
    """Yield the versions that answer and are not of the deployment."""
    recorded = {(model.name, version) for model in models for version in model.versions}
    highest = {name: max(number for other, number in available if other == name) for name, _ in available}
    for name, version in sorted({*available} - recorded):
        requests = "requests without a version" if highest[name] == version else "requests for it"
        yield f"{name}:{version}, which was not accepted, answers {requests}"


def _moved_labels(client: Client, deployment: Deployment) -> Iterator[str]:
    """Yield the labels that a killed reload would move, and that do not lead to the version of the deployment."""
    recorded, coming = _labels(deployment.models), _labels(deployment.reloading_to or ())
    for name, label in sorted({*recorded, *coming}):
        accepted, answers = recorded.get((name, label)), None
        if accepted == coming.get((name, label)):
            continue
        with suppress(RequestRefused):
            answers = client.answering_version(name, label)
        if answers != accepted:
            target = "answers no request" if answers is None else f"leads to {name}:{answers}"
            instead = "which was not accepted" if accepted is None else f"and not to {name}:{accepted}"
            yield f"label {label} of {name} {target}, {instead}"


def _labels(models: Iterable[ServedModel]) -> dict[tuple[str, str], int]:
    return {(model.name, label): version for model in models for label, version in model.labels}
