"""Which clients a change breaks: those that get another version than before, whose signatures do not fit them."""

from __future__ import annotations

import contextlib
import dataclasses
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from deployer.errors import DeployerError, Overloaded
from deployer.results.deployment import Deployment, Launch, ServedModel
from deployer.results.differences import SignatureChange
from deployer.results.model import Model, Signature
from deployer.rollout import served_models
from deployer.rollout.workspace import Workspace
from deployer.savedmodel import compatibility


@dataclass(frozen=True)
class BreakingChange:
    """`requests` that `before` of a model has answered get `after`, which differs from it by `changes`."""

    model: str
    before: int
    after: int
    requests: tuple[str, ...]
    changes: tuple[SignatureChange, ...]

    stored: bool
    """Whether the store has both."""

    @property
    def look(self) -> str:
        """Names the command that shows both versions side by side, where the store has both."""
        command = f"deployer diff {self.model} {self.before} {self.after}"
        return f"; {command} shows both versions side by side" if self.stored else ""

    def __str__(self) -> str:
        changes = "; ".join(f"{each.signature} {each.place or 'signature'}: {each.detail}" for each in self.changes)
        asked = " and ".join(self.requests)
        return f"{asked} get {self.model}:{self.after} instead of {self.model}:{self.before}: {changes}"


DeclaredSignatures = Mapping[tuple[str, int, str], tuple[Signature, ...]]
"""What servers declare for versions, by model, number and digest."""
NONE_DECLARED: DeclaredSignatures = {}


@dataclass(frozen=True)
class IncomparableVersions:
    """Nothing tells the signatures of `before` of a model, whose clients get `after`."""

    model: str
    before: int
    after: int

    def __str__(self) -> str:
        return (
            f"{self.model}:{self.after} could not be compared with {self.model}:{self.before}, which is replaced: the "
            "store does not have those files any more, and no server tells their signatures"
        )


def find_breaking_changes(  # noqa: PLR0913 - what a comparison needs
    workspace: Workspace,
    launch: Launch,
    models: tuple[Model, ...],
    observed: Deployment,
    *,
    patience: float | None = None,
    asked: DeclaredSignatures = NONE_DECLARED,
) -> Iterator[BreakingChange | IncomparableVersions]:
    """What clients of `observed` lose by a launch of `models`: those that ask without a version, or by a label that
    stays. A server that must be asked for its signatures, and refuses that for load, is asked again for `patience`
    seconds. Raises Overloaded after that. `asked` are signatures that it declared before.
    """
    wanted = {model.name: model for model in launch.models}
    known = {(model.name, model.version): model for model in models}
    for before in observed.models:
        if before.name not in wanted:
            continue
        for (old, new), requests in served_models.replacements(before, wanted[before.name]).items():
            after = known.get((before.name, new))
            if after is None:
                continue
            stored = _stored_signatures(workspace, before, old)
            declared = stored or asked.get((before.name, old, before.digest_of(old)))
            signatures = declared or _asked_signatures(workspace, observed, (before.name, old), patience)
            if signatures is None:
                yield IncomparableVersions(before.name, old, new)
                continue
            changes = tuple(each for each in compatibility.compare(signatures, after.info.signatures) if each.breaking)
            if changes:
                yield BreakingChange(before.name, old, new, requests, changes, stored is not None)


def signatures_of_lost_versions(workspace: Workspace) -> DeclaredSignatures:
    """The signatures of what serves and is no longer in the store. Ask before an export: it makes the model's folder
    again, and a server that finds the folder without its version unloads that.
    """
    observed = workspace.engine.observe(workspace.spec.deployment, workspace.spec.env)
    found: dict[tuple[str, int, str], tuple[Signature, ...]] = {}
    if observed is None or not observed.running:
        return found
    for served in observed.models:
        for version in served.versions:
            if _stored_signatures(workspace, served, version) is not None:
                continue
            with contextlib.suppress(Overloaded):
                if declared := _asked_signatures(workspace, observed, (served.name, version), 0.0):
                    found[served.name, version, served.digest_of(version)] = declared
    return found


def _stored_signatures(workspace: Workspace, served: ServedModel, version: int) -> tuple[Signature, ...] | None:
    """None where the store does not have that version any more, or has other files under its number."""
    try:
        stored = workspace.store.get(served.name, version)
    except DeployerError:
        return None
    return stored.info.signatures if served.digest_of(version) in {"", stored.digest} else None


def _asked_signatures(
    workspace: Workspace, observed: Deployment, version: tuple[str, int], patience: float | None
) -> tuple[Signature, ...] | None:
    """By the server itself; None where it does not tell."""
    client = workspace.client(observed)
    try:
        return (client if patience is None else dataclasses.replace(client, patience=patience)).signatures(*version)
    except Overloaded:
        raise
    except DeployerError:
        return None
