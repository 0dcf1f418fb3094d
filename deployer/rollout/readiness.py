"""Watches a server become ready, and gives an error the server's last words."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Iterator
from contextlib import contextmanager

from deployer.engines.base import Engine
from deployer.errors import DeployerError, NotReady
from deployer.results.deployment import Deployment, ServedModel
from deployer.rollout import log_patterns
from deployer.rollout import memory as memory_checks
from deployer.rollout.workspace import Workspace
from deployer.system.wait import Deadline, Observation, Readiness, until_ready

LOG_LINES = 15
LINES_READ = 60
"""Of which those that tell something are shown."""
ALIVE_SECONDS = 0.2


def await_models(workspace: Workspace, deployment: Deployment, models: tuple[ServedModel, ...]) -> None:
    """Until all of them are AVAILABLE. Raises NotReady, at once when the server ended or a model failed to load."""
    from deployer.client import availability

    client = workspace.client(deployment)
    deadline = Deadline.after(workspace.spec.gate.ready_seconds)
    probe = LivenessProbe(workspace.engine, deployment)
    until_ready(
        lambda: probe.check(availability.readiness(client, models)), deadline, f"the server of {deployment.name}"
    )


def await_withdrawn(
    workspace: Workspace, deployment: Deployment, before: tuple[ServedModel, ...], after: tuple[ServedModel, ...]
) -> None:
    """Until what is served no more takes no requests: one without a version goes to the highest that is loaded."""
    from deployer.client import availability

    client = workspace.client(deployment)
    deadline = Deadline.after(workspace.spec.gate.ready_seconds)
    until_ready(lambda: availability.withdrawn(client, before, after), deadline, f"the server of {deployment.name}")


class LivenessProbe:
    """Tells of a server that does not answer yet whether it is there at all; seldom, for asking the engine takes from
    the processor that the server loads with.
    """

    def __init__(self, engine: Engine, deployment: Deployment) -> None:
        self._engine = engine
        self._deployment = deployment
        self._next = 0.0

    def check(self, seen: Observation) -> Observation:
        """What was seen of the server, unless it is not there any more."""
        if seen.readiness is not Readiness.NOT_READY or time.monotonic() < self._next:
            return seen
        if reason := self._engine.exit_reason(self._deployment):
            return Observation(Readiness.UNAVAILABLE, reason)
        self._next = time.monotonic() + ALIVE_SECONDS
        return seen


@contextmanager
def attach_server_logs(engine: Engine, deployment: Deployment) -> Iterator[None]:
    """An error gets the end of the server's log, and what that log tells to do."""
    try:
        yield
    except DeployerError as error:
        lines = error.log or tuple(engine.logs(deployment, LINES_READ))
        error.log = log_patterns.telling(lines)[-LOG_LINES:]
        error.hint = log_patterns.explain(lines) or _diagnose(engine, deployment, error) or error.hint
        raise


def _diagnose(engine: Engine, deployment: Deployment, error: DeployerError) -> str | None:
    """What the engine thinks amiss, for a server that does not come up and does not say why."""
    if isinstance(error, NotReady):
        with contextlib.suppress(DeployerError):
            return _memory_pressure(engine, deployment) or _warning(engine)
    return None


def _memory_pressure(engine: Engine, deployment: Deployment) -> str | None:
    memory = engine.memory(deployment) if engine.exit_reason(deployment) is None else None
    exhausted = memory_checks.exhaustion(memory) if memory else ""
    return f"{exhausted}: raise docker.memory, or allow more time with --timeout SECONDS" if exhausted else None


def _warning(engine: Engine) -> str | None:
    warnings = (finding for finding in engine.preflight.platform() if finding.severity == "warning")
    return next((f"{finding.message}: {finding.remedy}" for finding in warnings), None)
