"""`prune`: remove versions from the store that no deployment needs."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

from deployer.config.options import Settings
from deployer.engines import run_dir
from deployer.engines.base import Engine
from deployer.errors import InvalidValue
from deployer.results.deployment import Deployment
from deployer.results.history import Outcome, Release
from deployer.results.plan import Change
from deployer.results.served import ServedModel
from deployer.results.versions import PruneResult
from deployer.rollout.ledger import LEDGER_FILE, Ledger
from deployer.rollout.workspace import Workspace, open_all_environments, open_each_environment

KEEP = 3
Reasons = dict[tuple[str, int], str]
"""Why versions stay, by model and version: the first reason of each."""
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
        releases = (each for ledger in _ledgers(workspace) for each in _rollback_targets(workspace, ledger.releases()))
        reasons: Reasons = {}
        for version, reason in (*_served(workspace), *releases):
            reasons.setdefault(version, reason)
        return _prune(workspace, name, keep, reasons, dry_run=dry_run)


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
    opened = open_each_environment(workspace.settings)
    own = {dataclasses.replace(each.ledger, project="", address="") for each in opened}
    return own | {Ledger(run_dir.state_dir(seen.directory) / LEDGER_FILE, "") for _, seen in _others(workspace)}


def _prune(workspace: Workspace, name: str | None, keep: int, reasons: Reasons, *, dry_run: bool) -> PruneResult:
    store = workspace.store
    models = store.models(name)
    newest = "the newest version" if keep == 1 else f"one of the {keep} newest versions"
    for each in {model.name for model in models}:
        for version in store.versions(each)[-keep:]:
            reasons.setdefault((each, version), newest)
    kept = tuple(each for each in models if (each.name, each.version) in reasons)
    removed = tuple(each for each in models if each not in kept)
    for model in removed if not dry_run else ():
        store.remove(model.name, model.version)
    for engine in workspace.engines if not dry_run else ():
        engine.copies.forget((model.name, model.version) for model in removed)
    texts = tuple(reasons[each.name, each.version] for each in kept)
    return PruneResult(kept, removed, done=not dry_run, reasons=texts, store=store.root)


def _served(workspace: Workspace) -> Iterator[tuple[tuple[str, int], str]]:
    """Yield the versions that are deployed, or will be after an interrupted reload, each with the reason to keep it."""
    observed = (each for engine in workspace.engines for each in engine.inventory.observe_all())
    own = ((each, "") for each in observed if not _is_other_store(workspace, each.store))
    others = ((each, f" of project {each.project}" if each.project else "") for _, each in _others(workspace))
    for deployment, project in (*own, *others):
        reason = f"deployed as {deployment.name} [{deployment.env}]{project}"
        yield from ((key, reason) for key in _keys((*deployment.models, *(deployment.reloading_to or ()))))


def _is_other_store(workspace: Workspace, store: Path | None) -> bool:
    """Return whether a recorded store is another one. A store that is gone may be this one, which was moved."""
    return store is not None and store.is_dir() and store.resolve() != workspace.spec.models_dir.resolve()


def _rollback_targets(workspace: Workspace, releases: tuple[Release, ...]) -> Iterator[tuple[tuple[str, int], str]]:
    """Yield the versions of the last LAST_GOOD successful releases of each deployment with different models."""
    last: dict[tuple[str, str, str], list[tuple[ServedModel, ...]]] = {}
    for release in releases:
        if release.store and _is_other_store(workspace, Path(release.store)):
            continue
        kept = last.setdefault((release.name, release.env, release.engine), [])
        succeeded = release.outcome is Outcome.SUCCEEDED and release.change != Change.REMOVE.value
        if succeeded and release.models not in kept and len(kept) < LAST_GOOD:
            kept.append(release.models)
    for (name, env, _), kept in last.items():
        yield from ((key, f"rollback of {name} [{env}] needs it") for models in kept for key in _keys(models))


def _keys(models: tuple[ServedModel, ...]) -> set[tuple[str, int]]:
    return {(model.name, version) for model in models for version in model.versions}
