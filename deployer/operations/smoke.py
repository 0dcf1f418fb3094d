"""`smoke`: verify a running deployment as a deploy does."""

from __future__ import annotations

from deployer.config.options import Settings
from deployer.errors import ModelNotFound
from deployer.results.deployment import Deployment, ServedModel
from deployer.results.model import Model
from deployer.results.running import SmokeResult
from deployer.rollout import killed_releases
from deployer.rollout.lost_versions import suggest_recovery
from deployer.rollout.workspace import Workspace, open_workspace
from deployer.verification import smoke as verification


def smoke(name: str | None = None, *, settings: Settings | None = None) -> SmokeResult:
    """Verify every version that a deployment serves; failed checks are in the report.

    Raises DeploymentNotFound, NotRunning, ModelNotFound.
    """
    workspace = open_workspace(settings or Settings(), "smoke")
    deployment = workspace.running_deployment(name)
    with suggest_recovery(workspace):
        served = [(each, number) for each in deployment.models for number in each.versions]
        models = [_stored(workspace, deployment, *each) for each in served]
    engine = workspace.for_deployment(deployment.name).engine
    notices = killed_releases.killed_notes(workspace.ledger_of(engine), engine, deployment)
    report = verification.verify(workspace.client(deployment), models, workspace.tolerance)
    return SmokeResult(deployment.name, deployment.env, deployment.endpoints, report, notices)


def _stored(workspace: Workspace, deployment: Deployment, served: ServedModel, version: int) -> Model:
    """Return a served version from the store. Raises ModelNotFound, also if another store's version is served."""
    store = workspace.store
    stored = store.get(served.name, version)
    is_own = deployment.store in (None, store.root.resolve())
    if not is_own and served.digest_of(version) not in ("", stored.digest):
        label = f"{served.name}:{version}"
        message = f"{label} of {store.root} is not the {label} that is served"
        raise ModelNotFound(message, model=served.name, version=version)
    return stored
