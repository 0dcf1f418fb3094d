"""`history`: what was deployed when, by whom, and how it ended."""

from __future__ import annotations

import contextlib
import dataclasses

from deployer.config.options import Settings
from deployer.engines.base import Engine
from deployer.errors import DeployerError, EngineError
from deployer.results.deployment import Deployment
from deployer.results.history import HistoryResult, Outcome, Release
from deployer.results.model import check_name
from deployer.rollout.ledger import Ledger
from deployer.rollout.workspace import Workspace, open_workspace


def history(name: str | None = None, *, all_envs: bool = False, settings: Settings | None = None) -> HistoryResult:
    """The releases of one deployment or of all, in this environment or in all, the newest first.

    What a killed command left under way is told as interrupted; the next command writes that down.
    """
    workspace = open_workspace(settings or Settings())
    wanted = check_name(name, "deployment") if name is not None else None
    releases = workspace.ledger.releases(wanted, None if all_envs else workspace.spec.env)
    engines = {engine.traits.name: engine for engine in workspace.engines}
    told = tuple(_as_it_is(found, engines.get(found.engine), workspace.ledger) for found in releases)
    return HistoryResult(told, () if told else _nothing(workspace, wanted, None if all_envs else workspace.spec.env))


def _nothing(workspace: Workspace, name: str | None, env: str | None) -> tuple[str, ...]:
    """What is said where no release is written down."""
    if lost := _lost(workspace, name, env):
        return lost
    from deployer.rollout import other_histories

    return (other_histories.nothing_recorded(workspace, name, env),)


def _lost(workspace: Workspace, name: str | None, env: str | None) -> tuple[str, ...]:
    """What is said of deployments that nothing is written down of: the directory that had their history is lost."""
    there: list[Deployment] = []
    for engine in workspace.engines:
        with contextlib.suppress(EngineError):
            there += (*engine.inventory.observe_all(), *engine.inventory.lost())
    meant = {
        (found.name, found.env): found for found in there if name in (None, found.name) and env in (None, found.env)
    }
    return tuple(
        f"there is no history of {found.name} [{found.env}] on {found.engine}: it was in a state directory that is lost"
        for found in meant.values()
    )


def _as_it_is(release: Release, engine: Engine | None, ledger: Ledger) -> Release:
    if release.outcome is not Outcome.UNDER_WAY or engine is None or _is_worked_on(release, engine):
        return release
    again = next(found for found in ledger.releases(release.name, release.env) if found.number == release.number)
    if again.outcome is not Outcome.UNDER_WAY:  # it has ended between the two looks
        return again
    return dataclasses.replace(again, outcome=Outcome.INTERRUPTED, detail=ledger.killed_at(release.number))


def _is_worked_on(release: Release, engine: Engine) -> bool:
    """Whether a command holds the deployment's lock, or may do so on an engine that does not answer."""
    with contextlib.suppress(DeployerError):
        return engine.locks.owner(release.name, release.env) is not None
    return True
