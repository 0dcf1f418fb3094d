"""Which clients a change breaks: those that get another version than before, whose signatures do not fit them."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator
from dataclasses import dataclass

from deployer.errors import DeployerError, Overloaded
from deployer.results.deployment import Deployment, Launch
from deployer.results.differences import SignatureChange
from deployer.results.model import Model, Signature
from deployer.rollout import moving
from deployer.rollout.workspace import Workspace
from deployer.savedmodel import compatibility


@dataclass(frozen=True)
class Break:
    """`requests` that `before` of a model has answered get `after`, which differs from it by `changes`."""

    model: str
    before: int
    after: int
    requests: tuple[str, ...]
    changes: tuple[SignatureChange, ...]

    @property
    def command(self) -> str:
        """Shows both versions side by side."""
        return f"deployer diff {self.model} {self.before} {self.after}"

    def __str__(self) -> str:
        changes = "; ".join(f"{each.signature} {each.place or 'signature'}: {each.detail}" for each in self.changes)
        asked = " and ".join(self.requests)
        return f"{asked} get {self.model}:{self.after} instead of {self.model}:{self.before}: {changes}"


def breaks(
    workspace: Workspace,
    launch: Launch,
    models: tuple[Model, ...],
    observed: Deployment,
    *,
    patience: float | None = None,
) -> Iterator[Break]:
    """What clients of `observed` lose by a launch of `models`: those that ask without a version, or by a label that
    stays. A server that must be asked for its signatures, and refuses that for load, is asked again for `patience`
    seconds. Raises Overloaded after that."""
    wanted = {model.name: model for model in launch.models}
    known = {(model.name, model.version): model for model in models}
    for before in observed.models:
        if before.name not in wanted:
            continue
        for (old, new), requests in moving.replacements(before, wanted[before.name]).items():
            after = known.get((before.name, new))
            signatures = _served_signatures(workspace, observed, (before.name, old), patience) if after else None
            if after is None or signatures is None:
                continue
            changes = tuple(each for each in compatibility.compare(signatures, after.info.signatures) if each.breaking)
            if changes:
                yield Break(before.name, old, new, requests, changes)


def _served_signatures(
    workspace: Workspace, observed: Deployment, version: tuple[str, int], patience: float | None
) -> tuple[Signature, ...] | None:
    """By the store; by the server itself for a version that the store has no more; None when neither tells."""
    try:
        return workspace.store.get(*version).info.signatures
    except DeployerError:
        pass
    client = workspace.client(observed)
    try:
        return (client if patience is None else dataclasses.replace(client, patience=patience)).signatures(*version)
    except Overloaded:
        raise
    except DeployerError:
        return None
