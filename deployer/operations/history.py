"""`history`: list the releases: what was deployed when, by whom, and how it ended."""

from __future__ import annotations

import contextlib
import dataclasses
import heapq
from collections.abc import Iterator

from deployer.config.options import Settings
from deployer.engines.base import Engine
from deployer.errors import DeployerError, EngineError
from deployer.results.deployment import Deployment
from deployer.results.history import HistoryResult, Outcome, Release
from deployer.results.model import check_name
from deployer.rollout import other_deployments, other_histories
from deployer.rollout.environments import open_environments
from deployer.rollout.killed_releases import is_killed
from deployer.rollout.ledger import Ledger
from deployer.rollout.workspace import Workspace, open_workspace
from deployer.system.attempts import merge_errors


def history(name: str | None = None, *, all_envs: bool = False, settings: Settings | None = None) -> HistoryResult:
    """Return the releases of one deployment or of all, in this environment or in all, the newest first.

    An environment may have a state directory of its own, and so a history with numbers of its own.
    A release whose command was killed is shown as interrupted, also before the next command records it so. Raises
    ConfigError for an environment whose settings are wrong, with the releases of the others in its `results`.
    """
    chosen = settings or Settings()
    failures: tuple[DeployerError, ...] = ()
    if all_envs:
        environments = open_environments(chosen)
        opened, failures = environments.opened, environments.failures
    else:
        opened = (open_workspace(chosen, allow_unset=True),)
    workspace = opened[0]
    name = None if name is None else check_name(name, "deployment")
    env = None if all_envs else workspace.spec.env
    by_ledger = {(each.ledger.path.resolve(), each.ledger.project): each for each in reversed(opened)}
    histories = (_releases(each, name, env) for each in by_ledger.values())
    merged = heapq.merge(*histories, key=lambda release: release.began, reverse=True)
    shown = tuple(dict.fromkeys(merged))  # releases from before there were projects are in the history of each
    if failures:
        raise merge_errors(failures, shown)
    return HistoryResult(shown, () if shown else _empty_notices(workspace, name, env))


def _releases(workspace: Workspace, name: str | None, env: str | None) -> Iterator[Release]:
    """Yield the releases in the ledger of a workspace."""
    engines = {engine.traits.name: engine for engine in workspace.engines}
    for release in workspace.ledger.releases(name, env):
        yield _detect_interrupted(release, engines.get(release.engine), workspace.ledger)


def _empty_notices(workspace: Workspace, name: str | None, env: str | None) -> tuple[str, ...]:
    """Return the notices of an empty history."""
    if lost := _lost_notices(workspace, name, env):
        return lost
    return (other_histories.nothing_recorded(workspace, name, env),)


def _lost_notices(workspace: Workspace, name: str | None, env: str | None) -> tuple[str, ...]:
    """Return a notice for each deployment whose history is in another state directory, or is lost with it."""
    observed: list[Deployment] = []
    for engine in workspace.engines:
        with contextlib.suppress(EngineError):
            observed += (*engine.inventory.observe_all(), *engine.inventory.lost())
    selected = {
        (each.name, each.env): each for each in observed if name in (None, each.name) and env in (None, each.env)
    }
    return tuple(_other_history(workspace, each) for each in selected.values())


def _other_history(workspace: Workspace, deployment: Deployment) -> str:
    """Return where the history of a deployment is, which this state directory does not have."""
    text = f"{deployment.name} [{deployment.env}]"
    if command := other_deployments.origin_command(workspace, deployment, "history"):
        return f"{other_deployments.origin_note(workspace, deployment)}: {command} shows its history"
    if any(engine.traits.replicated for engine in workspace.engines if engine.traits.name == deployment.engine):
        return f"there is no history of {text} here: each directory and machine has that of the changes made there"
    return f"there is no history of {text} on {deployment.engine}: it was in a state directory that is lost"


def _detect_interrupted(release: Release, engine: Engine | None, ledger: Ledger) -> Release:
    if engine is None or not is_killed(release, engine):
        return release
    current = next(each for each in ledger.releases(release.name, release.env) if each.number == release.number)
    if current.outcome is not Outcome.UNDER_WAY:  # it has ended since
        return current
    return dataclasses.replace(current, outcome=Outcome.INTERRUPTED, detail=ledger.killed_at(release))
