"""Watches a server become ready, and gives an error the server's last words."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from contextlib import contextmanager

from deployer import failures
from deployer.deployment import Deployment, ServedModel
from deployer.engines.base import Engine
from deployer.errors import DeployerError, NotReady
from deployer.operations.workspace import Workspace
from deployer.wait import Deadline, Observation, Readiness, until_ready

LOG_LINES = 15


def await_models(workspace: Workspace, deployment: Deployment, models: tuple[ServedModel, ...]) -> None:
    """Until all of them are AVAILABLE. Raises NotReady, at once when the server ended or a model failed to load."""
    from deployer import availability

    client = workspace.client(deployment)
    deadline = Deadline.after(workspace.spec.gate.ready_seconds)
    until_ready(
        lambda: _or_ended(availability.readiness(client, models), workspace.engine, deployment),
        deadline,
        f"the server of {deployment.name}",
    )


def await_withdrawn(
    workspace: Workspace, deployment: Deployment, before: tuple[ServedModel, ...], after: tuple[ServedModel, ...]
) -> None:
    """Until what is served no more takes no requests: one without a version goes to the highest that is loaded."""
    from deployer import availability

    client = workspace.client(deployment)
    deadline = Deadline.after(workspace.spec.gate.ready_seconds)
    until_ready(lambda: availability.withdrawn(client, before, after), deadline, f"the server of {deployment.name}")


def _or_ended(seen: Observation, engine: Engine, deployment: Deployment) -> Observation:
    """What was seen of a server, unless it is not there any more."""
    if seen.readiness is Readiness.NOT_READY and not engine.alive(deployment):
        return Observation(Readiness.UNAVAILABLE, engine.autopsy(deployment))
    return seen


@contextmanager
def last_words(engine: Engine, deployment: Deployment) -> Iterator[None]:
    """An error gets the end of the server's log, and what that log tells to do."""
    try:
        yield
    except DeployerError as error:
        error.log = error.log or tuple(engine.logs(deployment, LOG_LINES))
        error.hint = failures.explain(error.log) or _doubt(engine, error) or error.hint
        raise


def _doubt(engine: Engine, error: DeployerError) -> str | None:
    """What the engine thinks amiss, for a server that does not come up and does not say why."""
    if isinstance(error, NotReady):
        with contextlib.suppress(DeployerError):
            for finding in engine.check():
                if finding.severity == "warning":
                    return f"{finding.message}: {finding.remedy}"
    return None
