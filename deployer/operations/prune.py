"""`prune`: removes versions that nobody needs any more from the store."""

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
"""Releases of one deployment whose models stay: what serves or served last, and what `rollback` goes back to."""


def prune(
    name: str | None = None, *, keep: int = KEEP, settings: Settings | None = None, dry_run: bool = False
) -> PruneResult:
    """Keep, of one model or of all, what any deployment serves, what the last good releases of each deployment in each
    environment served, and the newest `keep` versions; remove the rest. Projects may share a store: what any of them
    needs of it stays.

    Raises LockHeld while something is deployed, EngineUnavailable when an engine cannot say what it serves.
    """
    if keep < 1:
        raise InvalidValue(f"--keep {keep}: the newest version always stays", hint="1, or more")
    workspace = open_all_environments(settings or Settings())
    with ExitStack() as locks:
        for engine, key in _sharing(workspace):
            locks.enter_context(engine.locks.acquire(*key, workspace.settings.lock_wait))
        needed = _served(workspace) | {key for ledger in _ledgers(workspace) for key in _good(ledger.releases())}
        return _prune(workspace, name, keep, needed, dry_run=dry_run)


def _sharing(workspace: Workspace) -> Iterator[tuple[Engine, tuple[str, str]]]:
    """The deployments of this project, and those of others that have their versions from the same store."""
    yield from ((engine, key) for engine in workspace.engines for key in engine.inventory.names())
    yield from ((engine, (seen.name, seen.env)) for engine, seen in _others(workspace))


def _others(workspace: Workspace) -> Iterator[tuple[Engine, Deployment]]:
    """The deployments of other projects that have their versions from this store. Old ones do not say from which: they
    count where they share the state directory.
    """
    store = workspace.spec.models_dir.resolve()
    own = {engine.traits.state_dir for engine in workspace.engines}
    for other in workspace.other_projects():
        unsaid = store if other.traits.state_dir in own else None
        yield from ((other, seen) for seen in other.inventory.observe_all() if (seen.store or unsaid) == store)


def _ledgers(workspace: Workspace) -> set[Ledger]:
    """The histories of all that have their versions from this store, with those of every project in them. That of
    another project lies where its deployments' folders are: an engine may see it from a state directory of ours.
    """
    own = {dataclasses.replace(workspace.ledger_of(engine), project="") for engine in workspace.engines}
    return own | {Ledger(run_dir.state_dir(seen.folder) / LEDGER_FILE, "") for _, seen in _others(workspace)}


def _prune(
    workspace: Workspace, name: str | None, keep: int, needed: set[tuple[str, int]], *, dry_run: bool
) -> PruneResult:
    store = workspace.store
    there = store.models(name)
    newest = {
        (model, version) for model in {found.name for found in there} for version in store.versions(model)[-keep:]
    }
    stay = needed | newest
    removed = tuple(found for found in there if (found.name, found.version) not in stay)
    for model in removed if not dry_run else ():
        store.remove(model.name, model.version)
    return PruneResult(tuple(found for found in there if found not in removed), removed, done=not dry_run)


def _served(workspace: Workspace) -> set[tuple[str, int]]:
    """What serves, or would after a reload that was killed half-way."""
    own = (seen for engine in workspace.engines for seen in engine.inventory.observe_all())
    found = (*own, *(seen for _, seen in _others(workspace)))
    return {key for seen in found for key in _keys((*seen.models, *(seen.reloading_to or ())))}


def _good(releases: tuple[Release, ...]) -> set[tuple[str, int]]:
    """The models of the last good releases of each deployment that served something else than one another."""
    last: dict[tuple[str, str, str], list[tuple[ServedModel, ...]]] = {}
    for release in releases:
        kept = last.setdefault((release.name, release.env, release.engine), [])
        good = release.outcome is Outcome.SUCCEEDED and release.change != Change.REMOVE.value
        if good and release.models not in kept and len(kept) < LAST_GOOD:
            kept.append(release.models)
    return {key for kept in last.values() for models in kept for key in _keys(models)}


def _keys(models: tuple[ServedModel, ...]) -> set[tuple[str, int]]:
    return {(model.name, version) for model in models for version in model.versions}
