"""`smoke`: verify a running deployment as a deploy does."""

from __future__ import annotations

from deployer.config.options import Settings
from deployer.results.running import SmokeResult
from deployer.rollout import killed_releases, lookup, lost_versions
from deployer.rollout.workspace import open_workspace
from deployer.verification import smoke as verification


def smoke(name: str | None = None, *, settings: Settings | None = None) -> SmokeResult:
    """Verify every version that a deployment serves; failed checks are in the report.

    Raises DeploymentNotFound, NotRunning, ModelNotFound.
    """
    workspace = open_workspace(settings or Settings(), "smoke")
    deployment = lookup.find_running(workspace, name)
    with lost_versions.suggest_recovery(workspace):
        served = [(each, number) for each in deployment.models for number in each.versions]
        models = [lost_versions.served_version(workspace, deployment, *each) for each in served]
    engine = workspace.for_deployment(deployment.name).engine
    notices = killed_releases.killed_notes(workspace.ledger_of(engine), engine, deployment)
    report = verification.verify(workspace.client(deployment), models, workspace.tolerance)
    return SmokeResult(deployment.name, deployment.env, deployment.endpoints, report, notices)
