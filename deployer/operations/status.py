"""`status`: what is deployed, and what its servers say of themselves."""

from __future__ import annotations

import dataclasses
from concurrent.futures import ThreadPoolExecutor

from deployer.client import Client
from deployer.deployment import Deployment
from deployer.errors import DeployerError
from deployer.operations.attempts import attempted, together
from deployer.operations.workspace import Settings, open_everywhere, open_workspace
from deployer.report.running import DeploymentStatus, ModelState
from deployer.store import Store

STATUS_SECONDS = 5.0
ASKED_AT_ONCE = 16


def status(
    name: str | None = None, *, all_envs: bool = False, settings: Settings | None = None
) -> tuple[DeploymentStatus, ...]:
    """Every deployment of the environment, of all with `all_envs`, or the named one.

    Raises NothingDeployed; and EngineError where an engine does not answer: what the others have is in its `results`.
    """
    opened = open_everywhere if all_envs else open_workspace
    workspace = opened(settings or Settings())
    if name is not None:
        return (_status(workspace.deployed(name), workspace.store),)
    all_of_them, failures = attempted(engine.observe_all for engine in workspace.engines)
    observed = {found.release: found for found in all_of_them}  # an engine may have two addresses
    there = [found for found in observed.values() if all_envs or found.env == workspace.spec.env]
    there.sort(key=lambda found: (found.env, found.name))
    with ThreadPoolExecutor(ASKED_AT_ONCE) as pool:  # one that does not answer must not keep the others waiting
        statuses = tuple(pool.map(lambda found: _status(found, workspace.store), there))
    if failures:
        raise together(failures, statuses)
    return statuses


def _status(deployment: Deployment, store: Store) -> DeploymentStatus:
    store = Store(deployment.store) if deployment.store else store
    lacking = ", ".join(store.lacking(deployment.models))
    return dataclasses.replace(
        _asked(deployment), warning=lacking and f"{lacking} is no longer in {store.root}: put it back"
    )


def _asked(deployment: Deployment) -> DeploymentStatus:
    if not deployment.running:
        return DeploymentStatus(deployment, (), healthy=False, detail="its server is not running")
    if deployment.front and not deployment.front.running:
        return DeploymentStatus(deployment, (), healthy=False, detail="its gateway is not running")
    client = Client(deployment.endpoints, STATUS_SECONDS, deployment.front)
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
