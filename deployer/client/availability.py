"""Which versions a server has available: one observation each, for callers that poll."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from deployer.client.client import Client
from deployer.errors import DeployerError, Overloaded
from deployer.results.running import ModelState
from deployer.results.served import ServedModel
from deployer.system.wait import Observation, Readiness


def readiness(client: Client, served: Sequence[ServedModel]) -> Observation:
    """Return READY when every version is AVAILABLE, and FAILED when one failed to load."""
    for model in served:
        try:
            states = {state.version: state for state in client.states(model.name, retry=False)}
        except DeployerError as error:
            return Observation(Readiness.NOT_READY, error.message)
        for version in model.versions:
            observed = to_observation(states.get(version), model.name, version)
            if observed.readiness is not Readiness.READY:
                return observed
    return Observation(Readiness.READY)


def unloaded(client: Client, before: Iterable[ServedModel], after: Iterable[ServedModel]) -> Observation:
    """Return READY when no version that is served `before` and not `after` takes requests any more."""
    kept = {(model.name, version) for model in after for version in model.versions}
    for model in before:
        removed = {version for version in model.versions if (model.name, version) not in kept}
        try:
            states = client.states(model.name, retry=False) if removed else ()
        except Overloaded as error:
            return Observation(Readiness.NOT_READY, error.message)
        except DeployerError:
            continue  # the server does not know the model any more
        for state in states:
            if state.version in removed and state.state == "AVAILABLE":
                return Observation(Readiness.NOT_READY, f"{model.name}:{state.version} still takes requests")
    return Observation(Readiness.READY)


def to_observation(state: ModelState | None, name: str, version: int) -> Observation:
    """Return the observation for the state of a version; None is a version that the server does not know."""
    if state is None:
        return Observation(Readiness.NOT_READY, f"{name}:{version} is not known to the server yet")
    if state.state == "AVAILABLE":
        return Observation(Readiness.READY)
    if state.state == "END" and state.error:
        return Observation(Readiness.FAILED, f"{name}:{version} failed to load: {state.error}")
    return Observation(Readiness.NOT_READY, f"{name}:{version} is {state.state}")
