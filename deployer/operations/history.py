"""`history`: list the releases: what was deployed when, by whom, and how it ended."""

from __future__ import annotations

import contextlib
import dataclasses

from deployer.config.options import Settings
from deployer.engines.base import Engine
from deployer.errors import EngineError
from deployer.results.deployment import Deployment
from deployer.results.history import HistoryResult, Outcome, Release
from deployer.results.model import check_name
from deployer.rollout import other_histories
from deployer.rollout.killed_releases import is_killed
from deployer.rollout.ledger import Ledger
from deployer.rollout.workspace import Workspace, open_workspace


def history(name: str | None = None, *, all_envs: bool = False, settings: Settings | None = None) -> HistoryResult:
    """Return the releases of one deployment or of all, in this environment or in all, the newest first.

    A release whose command was killed is shown as interrupted, also before the next command records it so.
    """
    workspace = open_workspace(settings or Settings())
    name = None if name is None else check_name(name, "deployment")
    env = None if all_envs else workspace.spec.env
    releases = workspace.ledger.releases(name, env)
    engines = {engine.traits.name: engine for engine in workspace.engines}
    shown = tuple(_detect_interrupted(each, engines.get(each.engine), workspace.ledger) for each in releases)
    return HistoryResult(shown, () if shown else _empty_notices(workspace, name, env))


def _empty_notices(workspace: Workspace, name: str | None, env: str | None) -> tuple[str, ...]:
    """Return the notices of an empty history."""
    if lost := _lost_notices(workspace, name, env):
        return lost
    return (other_histories.nothing_recorded(workspace, name, env),)


def _lost_notices(workspace: Workspace, name: str | None, env: str | None) -> tuple[str, ...]:
    """Return a notice for each deployment whose history is lost with its state directory."""
    observed: list[Deployment] = []
    for engine in workspace.engines:
        with contextlib.suppress(EngineError):
            observed += (*engine.inventory.observe_all(), *engine.inventory.lost())
    selected = {
        (each.name, each.env): each for each in observed if name in (None, each.name) and env in (None, each.env)
    }
    return tuple(
        f"there is no history of {each.name} [{each.env}] on {each.engine}: it was in a state directory that is lost"
        for each in selected.values()
    )


def _detect_interrupted(release: Release, engine: Engine | None, ledger: Ledger) -> Release:
    if engine is None or not is_killed(release, engine):
        return release
    current = next(each for each in ledger.releases(release.name, release.env) if each.number == release.number)
    if current.outcome is not Outcome.UNDER_WAY:  # it has ended since
        return current
    return dataclasses.replace(current, outcome=Outcome.INTERRUPTED, detail=ledger.killed_at(release))
