"""`doctor`: is this machine fit to deploy."""

from __future__ import annotations

from deployer.doctor import Patient, examine
from deployer.results.checks import DoctorResult
from deployer.rollout.workspace import Settings, open_workspace


def doctor(*, settings: Settings | None = None) -> DoctorResult:
    """Findings with severity and remedy; nothing is changed. Raises ConfigError."""
    workspace = open_workspace(settings or Settings())
    return DoctorResult(examine(Patient(workspace.spec, workspace.store, workspace.engines, workspace.absence)))
