"""The note that an error ends with: which versions of the deployment serve after the change was undone."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from deployer.errors import DeployerError, EngineUnavailable, LockHeld
from deployer.results.served import ServedModel, format_models
from deployer.rollout.workspace import Workspace

ANSWER_SECONDS = 5.0


@dataclass
class Before:
    """The models that were served before the change; None while nothing has been changed."""

    models: tuple[ServedModel, ...] | None = None


@contextmanager
def note_what_serves(workspace: Workspace) -> Iterator[Before]:
    """Add to an error what serves now, if the engine and the server say so; otherwise add nothing."""
    before = Before()
    try:
        yield before
    except (LockHeld, EngineUnavailable):  # another command changes the deployment, or the engine cannot be asked
        raise
    except DeployerError as error:
        with contextlib.suppress(DeployerError):
            error.serving = _serving(workspace, before)
        raise


def _serving(workspace: Workspace, before: Before) -> str:
    from deployer.client.client import Client

    spec = workspace.spec
    observed = workspace.engine.observe(spec.deployment, spec.env)
    if observed is None or observed.silence or observed.reloading_to is not None:
        return ""
    endpoints, gateway = observed.client_route
    client = Client(endpoints, ANSWER_SECONDS, gateway, retry_seconds=0.0)
    for model in observed.models:
        states = {state.version: state.state for state in client.states(model.name)}
        if any(states.get(version) != "AVAILABLE" for version in model.versions):
            return ""
    still = "still " if before.models in (None, observed.models) else ""
    return f"{format_models(observed.models)} {still}serves"
