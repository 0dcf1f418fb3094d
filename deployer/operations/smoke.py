"""`smoke`: proves a running deployment as a deploy would."""

from __future__ import annotations

from deployer import smoke as proof
from deployer.golden import Tolerance
from deployer.operations.workspace import Settings, open_workspace
from deployer.report.running import SmokeResult


def smoke(name: str | None = None, *, settings: Settings | None = None) -> SmokeResult:
    """Every version of every model that it serves. Raises NothingDeployed; failed checks are in the report."""
    workspace = open_workspace(settings or Settings())
    deployment = workspace.deployed(name)
    models = [workspace.store.get(model.name, version) for model in deployment.models for version in model.versions]
    gate = workspace.spec.gate
    tolerance = Tolerance(gate.relative_tolerance, gate.absolute_tolerance)
    report = proof.prove(workspace.client(deployment), models, tolerance)
    return SmokeResult(deployment.name, deployment.env, deployment.endpoints, report)
