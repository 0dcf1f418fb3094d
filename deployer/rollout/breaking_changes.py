"""Finds breaking changes: clients that get another version than before, with signatures that do not fit them."""

from __future__ import annotations

import contextlib
import dataclasses
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from deployer.errors import DeployerError, Overloaded
from deployer.results.deployment import Deployment
from deployer.results.differences import SignatureChange
from deployer.results.launch import Launch
from deployer.results.model import Model, Signature
from deployer.results.served import ServedModel
from deployer.rollout import served_models
from deployer.rollout.workspace import Workspace
from deployer.savedmodel import compatibility
from deployer.store.store import Store

if TYPE_CHECKING:
    from deployer.export import ExportRequest

Signatures = tuple[Signature, ...]
DeclaredSignatures = Mapping[tuple[str, int, str], Signatures]
"""Signatures that servers declared, by model, version and digest."""
NONE_DECLARED: DeclaredSignatures = {}
Exports = Mapping[tuple[str, int], "ExportRequest"]
"""The exports that come first, by model and version."""
NO_EXPORTS: Exports = {}


@dataclass(frozen=True)
class BreakingChange:
    """A version that answers `requests` in the place of another one, from which it differs by `changes`."""

    model: str
    before: int
    after: int
    requests: tuple[str, ...]
    changes: tuple[SignatureChange, ...]

    stored: bool
    """Whether the store has both versions."""

    def diff_hint(self, options: str) -> str:
        """Return the hint with the command that compares both versions; empty where the store lacks one."""
        command = f"deployer diff {self.model} {self.before} {self.after}{options}"
        return f"; {command} shows both versions side by side" if self.stored else ""

    def __str__(self) -> str:
        changes = "; ".join(f"{each.signature} {each.place or 'signature'}: {each.detail}" for each in self.changes)
        requests = " and ".join(self.requests)
        return f"{requests} get {self.model}:{self.after} instead of {self.model}:{self.before}: {changes}"


@dataclass(frozen=True)
class IncomparableVersions:
    """A version that replaces another one whose signatures are unknown."""

    model: str
    before: int
    after: int

    def __str__(self) -> str:
        return (
            f"{self.model}:{self.after} could not be compared with {self.model}:{self.before}, which is replaced: the "
            "store does not have those files any more, and no server tells their signatures"
        )


def find_breaking_changes(  # noqa: PLR0913
    workspace: Workspace,
    launch: Launch,
    models: tuple[Model, ...],
    observed: Deployment,
    *,
    retry_seconds: float | None = None,
    declared: DeclaredSignatures = NONE_DECLARED,
    exports: Exports = NO_EXPORTS,
) -> Iterator[BreakingChange | IncomparableVersions]:
    """Compare the signatures of `observed` with those of a launch of `models`, for requests that change their version.

    Signatures of a version that the store lacks are taken from `declared`, else from the store of `observed`, else from
    the server; those of one that is still to be exported from its source, if that declares them. A request that the
    server refuses for load is repeated for `retry_seconds`; Overloaded is raised after that.
    """
    desired = {model.name: model for model in launch.models}
    stored_models = {(model.name, model.version): model for model in models}
    for served in observed.models:
        if served.name not in desired:
            continue
        for (before, after), requests in served_models.replacements(served, desired[served.name]).items():
            stored_new = stored_models.get((served.name, after))
            new = stored_new.info.signatures if stored_new else _source_signatures(exports.get((served.name, after)))
            if new is None:
                continue
            stored = _stored_signatures(workspace.store, served, before)
            old = stored or declared.get((served.name, before, served.digest_of(before)))
            if old is None and observed.store is not None:
                old = _stored_signatures(Store(observed.store), served, before)
            old = old or _server_signatures(workspace, observed, (served.name, before), retry_seconds)
            if old is None:
                yield IncomparableVersions(served.name, before, after)
                continue
            changes = tuple(each for each in compatibility.compare(old, new) if each.breaking)
            if changes:
                has_both = stored is not None and stored_new is not None
                yield BreakingChange(served.name, before, after, requests, changes, has_both)


def signatures_of_lost_versions(workspace: Workspace) -> DeclaredSignatures:
    """Return the signatures that the server declares for versions which are no longer in the store.

    Call it before an export: that creates the model's directory again, and a server that finds it without the version
    unloads the version.
    """
    observed = workspace.engine.observe(workspace.spec.deployment, workspace.spec.env)
    declared: dict[tuple[str, int, str], Signatures] = {}
    if observed is None or not observed.running:
        return declared
    for served in observed.models:
        for version in served.versions:
            if _stored_signatures(workspace.store, served, version) is not None:
                continue
            with contextlib.suppress(Overloaded):
                if signatures := _server_signatures(workspace, observed, (served.name, version), 0.0):
                    declared[served.name, version, served.digest_of(version)] = signatures
    return declared


def _stored_signatures(store: Store, served: ServedModel, version: int) -> Signatures | None:
    """Return the signatures of a served version; None if a store has lost it or has other files in its place."""
    try:
        stored = store.get(served.name, version)
    except DeployerError:
        return None
    return stored.info.signatures if served.digest_of(version) in {"", stored.digest} else None


def _source_signatures(request: ExportRequest | None) -> Signatures | None:
    """Return the signatures of a version that is still to be exported; None if only running its source tells them."""
    if request is None:
        return None
    from deployer.export import declared

    return declared.signatures(request)


def _server_signatures(
    workspace: Workspace, observed: Deployment, version: tuple[str, int], retry_seconds: float | None
) -> Signatures | None:
    client = workspace.client(observed)
    if retry_seconds is not None:
        client = dataclasses.replace(client, retry_seconds=retry_seconds)
    try:
        return client.signatures(*version)
    except Overloaded:
        raise
    except DeployerError:
        return None
