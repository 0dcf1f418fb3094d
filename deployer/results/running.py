"""States of running deployments."""

from __future__ import annotations

from dataclasses import dataclass

from deployer.results.checks import Report
from deployer.results.deployment import Deployment, Endpoints


@dataclass(frozen=True)
class ModelState:
    """The state of a version as its server reports it, such as AVAILABLE."""

    model: str
    version: int
    state: str
    error: str = ""


@dataclass(frozen=True)
class DeploymentStatus:
    """A deployment as it was accepted, with the states that its server reports.

    After a killed replacement, the server that answers may be another one.
    """

    deployment: Deployment
    states: tuple[ModelState, ...]
    healthy: bool
    """Whether all versions that it should serve are AVAILABLE, and no other one, which was not accepted, answers."""

    detail: str
    """Which versions are missing, and which answer that a killed command has loaded."""

    warning: str = ""
    """A killed change, lost versions, a moved image tag, and who can reach it from other machines."""


@dataclass(frozen=True)
class SmokeResult:
    """The verification of a running deployment."""

    name: str
    env: str
    endpoints: Endpoints
    report: Report
    notices: tuple[str, ...] = ()
    """Killed changes, which may have left a server with other versions."""
