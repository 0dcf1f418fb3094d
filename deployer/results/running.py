"""What runs, as its server reports it."""

from __future__ import annotations

from dataclasses import dataclass

from deployer.results.checks import Report
from deployer.results.deployment import Deployment, Endpoints


@dataclass(frozen=True)
class ModelState:
    """A version as its server reports it; `state` is TensorFlow Serving's word, such as AVAILABLE."""

    model: str
    version: int
    state: str
    error: str = ""


@dataclass(frozen=True)
class DeploymentStatus:
    """A deployment with the states that its server reports; `healthy` when all it should serve is AVAILABLE.

    `warning` tells what will keep it from coming up again, what has the next `up` replace it, and who else reaches it.
    """

    deployment: Deployment
    states: tuple[ModelState, ...]
    healthy: bool
    detail: str
    warning: str = ""


@dataclass(frozen=True)
class SmokeResult:
    """A proof of a running deployment."""

    name: str
    env: str
    endpoints: Endpoints
    report: Report
