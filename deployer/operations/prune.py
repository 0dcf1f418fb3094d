"""`prune`: remove versions from the store that no deployment needs."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator
from contextlib import ExitStack

from deployer.config.options import Settings
from deployer.engines import run_dir
from deployer.engines.base import Engine
from deployer.errors import InvalidValue
from deployer.results.deployment import Deployment, ServedModel
from deployer.results.history import Outcome, Release
from deployer.results.plan import Change
from deployer.results.versions import PruneResult
from deployer.rollout.ledger import LEDGER_FILE, Ledger
from deployer.rollout.workspace import Workspace, open_all_environments

KEEP = 3
LAST_GOOD = 2
"""Releases of a deployment whose models stay: the last one, and the one that `rollback` returns to."""


def prune(
    name: str | None = None, *, keep: int = KEEP, settings: Settings | None = None, dry_run: bool = False
) -> PruneResult:
    """Remove versions of one model or of all that no deployment serves or can be rolled back to.

    The newest `keep` versions stay, too. Deployments of other projects that use the same store count. Raises LockHeld
    during a deploy, EngineUnavailable if an engine does not answer.
    """
    if keep < 1:
        raise InvalidValue(f"--keep {keep}: the newest version always stays", hint="1, or more")
    workspace = open_all_environments(settings or Settings())
    with ExitStack() as locks:
        for engine, key in _sharing(workspace):
            locks.enter_context(engine.locks.acquire(*key, workspace.settings.lock_wait))
        releases = {key for ledger in _ledgers(workspace) for key in _rollback_targets(ledger.releases())}
        needed = _served(workspace) | releases
        return _prune(workspace, name, keep, needed, dry_run=dry_run)


def _sharing(workspace: Workspace) -> Iterator[tuple[Engine, tuple[str, str]]]:
    """Yield the deployments of all projects that use the store."""
    yield from ((engine, key) for engine in workspace.engines for key in engine.inventory.names())
    yield from ((engine, (seen.name, seen.env)) for engine, seen in _others(workspace))


def _others(workspace: Workspace) -> Iterator[tuple[Engine, Deployment]]:
    """Yield the deployments of other projects that use the store.

    Those of older releases do not record their store: they count if they share the state directory.
    """
    store = workspace.spec.models_dir.resolve()
    own = {engine.traits.state_dir for engine in workspace.engines}
    for other in workspace.other_projects():
        default = store if other.traits.state_dir in own else None
        yield from ((other, seen) for seen in other.inventory.observe_all() if (seen.store or default) == store)


def _ledgers(workspace: Workspace) -> set[Ledger]:
    """Return the ledgers of all projects that use the store.

    That of another project is in the state directory of its deployments, which may be another than the engine's.
    """
    own = {dataclasses.replace(workspace.ledger_of(engine), project="") for engine in workspace.engines}
    return own | {Ledger(run_dir.state_dir(seen.folder) / LEDGER_FILE, "") for _, seen in _others(workspace)}


def _prune(
    workspace: Workspace, name: str | None, keep: int, needed: set[tuple[str, int]], *, dry_run: bool
) -> PruneResult:
    store = workspace.store
    models = store.models(name)
    newest = {(model, version) for model in {each.name for each in models} for version in store.versions(model)[-keep:]}
    kept = needed | newest
    removed = tuple(each for each in models if (each.name, each.version) not in kept)
    for model in removed if not dry_run else ():
        store.remove(model.name, model.version)
    return PruneResult(tuple(each for each in models if each not in removed), removed, done=not dry_run)


def _served(workspace: Workspace) -> set[tuple[str, int]]:
    """Return the versions that are served, or will be after an interrupted reload."""
    own = (each for engine in workspace.engines for each in engine.inventory.observe_all())
    deployments = (*own, *(each for _, each in _others(workspace)))
    return {key for each in deployments for key in _keys((*each.models, *(each.reloading_to or ())))}


def _rollback_targets(releases: tuple[Release, ...]) -> set[tuple[str, int]]:
    """Return the versions of the last LAST_GOOD successful releases of each deployment with different models."""
    last: dict[tuple[str, str, str], list[tuple[ServedModel, ...]]] = {}
    for release in releases:
        kept = last.setdefault((release.name, release.env, release.engine), [])
        succeeded = release.outcome is Outcome.SUCCEEDED and release.change != Change.REMOVE.value
        if succeeded and release.models not in kept and len(kept) < LAST_GOOD:
            kept.append(release.models)
    return {key for kept in last.values() for models in kept for key in _keys(models)}


def _keys(models: tuple[ServedModel, ...]) -> set[tuple[str, int]]:
    return {(model.name, version) for model in models for version in model.versions}
