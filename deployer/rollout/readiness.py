"""Waits until a server is ready, and attaches the end of its log to errors."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Iterator
from contextlib import contextmanager

from deployer.engines.base import Engine
from deployer.errors import DeployerError, NotReady
from deployer.results.deployment import Deployment
from deployer.results.served import ServedModel
from deployer.rollout import log_patterns
from deployer.rollout.memory import exhaustion
from deployer.rollout.workspace import Workspace
from deployer.system.wait import Deadline, Observation, Readiness, wait_until_ready

LOG_LINES = 15
LINES_READ = 60
"""Lines that are searched for known causes; the last LOG_LINES that are no noise are shown."""
ALIVE_SECONDS = 0.2


def await_models(workspace: Workspace, deployment: Deployment, models: tuple[ServedModel, ...]) -> None:
    """Wait until all models are AVAILABLE. Raises NotReady, at once if the server exits or a model fails to load."""
    from deployer.client import availability

    client = workspace.client(deployment)
    deadline = Deadline.after(workspace.spec.gate.ready_seconds)
    probe = LivenessProbe(workspace.engine, deployment)
    wait_until_ready(
        lambda: probe.check(availability.readiness(client, models)), deadline, f"the server of {deployment.name}"
    )


def await_withdrawn(
    workspace: Workspace, deployment: Deployment, before: tuple[ServedModel, ...], after: tuple[ServedModel, ...]
) -> None:
    """Wait until no request reaches the versions of `before` that are not in `after`. Raises NotReady."""
    from deployer.client import availability

    client = workspace.client(deployment)
    deadline = Deadline.after(workspace.spec.gate.ready_seconds)
    wait_until_ready(lambda: availability.unloaded(client, before, after), deadline, f"the server of {deployment.name}")


class LivenessProbe:
    """Checks whether a server that is not ready still runs, at most every ALIVE_SECONDS."""

    def __init__(self, engine: Engine, deployment: Deployment) -> None:
        self._engine = engine
        self._deployment = deployment
        self._next = 0.0

    def check(self, observation: Observation) -> Observation:
        """Return the observation, or UNAVAILABLE with the reason if the server has exited."""
        if observation.readiness is not Readiness.NOT_READY or time.monotonic() < self._next:
            return observation
        if reason := self._engine.exit_reason(self._deployment):
            return Observation(Readiness.FAILED, reason)
        self._next = time.monotonic() + ALIVE_SECONDS  # each check takes CPU time from the server, which is loading
        return observation


@contextmanager
def attach_server_logs(engine: Engine, deployment: Deployment) -> Iterator[None]:
    """Attach the end of the server's log to an error, and the hint for a known cause in it."""
    try:
        yield
    except DeployerError as error:
        lines = error.log or tuple(line.text for line in engine.logs(deployment, LINES_READ))
        error.log = log_patterns.without_noise(lines)[-LOG_LINES:]
        error.hint = log_patterns.explain(lines) or _diagnose(engine, deployment, error) or error.hint
        raise


def _diagnose(engine: Engine, deployment: Deployment, error: DeployerError) -> str | None:
    """Return the hint for a server that is not ready and whose log has no known cause."""
    if isinstance(error, NotReady):
        with contextlib.suppress(DeployerError):
            return _memory_pressure(engine, deployment) or _warning(engine)
    return None


def _memory_pressure(engine: Engine, deployment: Deployment) -> str | None:
    memory = engine.memory(deployment) if engine.exit_reason(deployment) is None else None
    exhausted = exhaustion(memory) if memory else ""
    return f"{exhausted}: raise docker.memory, or allow more time with --timeout SECONDS" if exhausted else None


def _warning(engine: Engine) -> str | None:
    warnings = (finding for finding in engine.preflight.platform() if finding.severity == "warning")
    return next((f"{finding.message}: {finding.remedy}" for finding in warnings), None)
