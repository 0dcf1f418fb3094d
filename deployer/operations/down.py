"""`down`: stops a deployment and removes all that was made for it; the store stays."""

from __future__ import annotations

import contextlib
import dataclasses
import shlex
from collections.abc import Callable
from functools import partial
from pathlib import Path

from deployer.config.options import Settings
from deployer.engines.base import Engine
from deployer.errors import DeploymentNotFound, EngineError, LedgerError
from deployer.results.changes import DownResult
from deployer.results.deployment import LOST, Deployment
from deployer.rollout import plan as planning
from deployer.rollout.journal import record_release
from deployer.rollout.ledger import Ledger
from deployer.rollout.notices.collect import collect_notices
from deployer.rollout.workspace import (
    Progress,
    Workspace,
    engine_key,
    no_progress,
    open_all_environments,
    open_workspace,
)
from deployer.system.attempts import collect_errors, merge_errors

Confirm = Callable[[tuple[str, ...]], bool]
"""Tells whether the deployments of other projects may be removed."""


def _yes(_: tuple[str, ...]) -> bool:
    """In Python, to ask for all projects says so."""
    return True


def down(name: str | None = None, *, settings: Settings | None = None, progress: Progress = no_progress) -> DownResult:
    """Requests in flight finish first. Raises DeploymentNotFound, LockHeld."""
    workspace = open_workspace(settings or Settings())
    name = workspace.deployment_name(name)
    engine = workspace.for_deployment(name).engine
    with collect_notices() as notices:
        notices.extend(_strangers(engine, name, workspace.spec.env))
        result = _down(workspace, engine, (name, workspace.spec.env), progress, notices)
        if result is None:
            raise workspace.not_deployed_error(name)
    return dataclasses.replace(result, notices=tuple(notices))


def down_all(
    *,
    all_projects: bool = False,
    confirm: Confirm = _yes,
    settings: Settings | None = None,
    progress: Progress = no_progress,
) -> tuple[DownResult, ...]:
    """Every deployment of the project, in all environments; with `all_projects` those of all others on the engines,
    too: once `confirm`, which gets them as text, says so.

    The first result has the notices of all. Raises DeploymentNotFound when there is none; and, once all that can be
    removed is gone, EngineError or LockHeld for what could not: what is gone is in its `results`.
    """
    workspace = open_all_environments(settings or Settings())
    with collect_notices() as notices:
        for engine in workspace.engines:
            with contextlib.suppress(EngineError):  # one that does not answer is told below
                notices.extend(_strangers(engine))
        found, silent_ones = collect_errors(partial(_named, engine, all_projects) for engine in workspace.engines)
        there = tuple({(engine_key(engine), key): (engine, key) for engine, key in found}.values())
        own = set(map(engine_key, workspace.engines))
        others = tuple(sorted({_text(workspace, *each) for each in there if engine_key(each[0]) not in own}))
        if others and not confirm(others):
            there = tuple(each for each in there if engine_key(each[0]) in own)
        results, failures = collect_errors(
            partial(_down_one, workspace, engine, key, progress, notices) for engine, key in there
        )
        removed = tuple(result for result in results if result)
        if silent_ones or failures:
            raise merge_errors((*silent_ones, *failures), removed)
        if not removed:
            raise _nothing(workspace, all_projects=all_projects)
    return (dataclasses.replace(removed[0], notices=tuple(notices)), *removed[1:])


def _nothing(workspace: Workspace, *, all_projects: bool) -> DeploymentNotFound:
    if all_projects:
        return DeploymentNotFound("nothing is deployed in any project", hint=workspace.next_steps())
    hint = workspace.next_steps()
    if any(other.inventory.names() for engine in workspace.engines for other in engine.inventory.other_projects()):
        hint = f"deployer status --all-projects shows what other projects have; {hint}"
    return DeploymentNotFound(f"nothing is deployed in project {workspace.engine.traits.project}", hint=hint)


def _named(engine: Engine, all_projects: bool) -> list[tuple[Engine, tuple[str, str]]]:
    others = engine.inventory.other_projects() if all_projects else ()
    return [(each, key) for each in (engine, *others) for key in each.inventory.names()]


def _text(workspace: Workspace, engine: Engine, key: tuple[str, str]) -> str:
    name, env = key
    project = f"project {engine.traits.project}" if engine.traits.project else "no project"
    place = f", from {shlex.quote(str(elsewhere))}" if (elsewhere := _elsewhere(workspace, engine)) else ""
    lost = f" (its state directory is {LOST})" if engine.inventory.lost(name, env) else ""
    return f"{name} [{env}] of {project} on {engine.traits.name}{place}{lost}"


def _elsewhere(workspace: Workspace, engine: Engine) -> Path | None:
    """The state directory of an engine, where the workspace has another one."""
    theirs, ours = engine.traits.state_dir, {own.traits.state_dir for own in workspace.engines}
    return None if theirs in ours else theirs


def _strangers(engine: Engine, *key: str) -> tuple[str, ...]:
    return tuple(f"{told}; it is left alone" for told in engine.inventory.strangers(*key))


def _down_one(
    workspace: Workspace, engine: Engine, key: tuple[str, str], progress: Progress, notices: list[str]
) -> tuple[DownResult | None]:
    return (_down(workspace, engine, key, progress, notices),)


def _down(
    workspace: Workspace, engine: Engine, key: tuple[str, str], progress: Progress, notices: list[str]
) -> DownResult | None:
    """None when nothing served; what killed commands left is gone then, too, which `notices` say."""
    name, env = key
    place = _elsewhere(workspace, engine)
    lost = engine.inventory.lost(name, env)
    for each in lost:
        progress(
            f"stopping process {each.pid}, whose state directory is {LOST}: {name} [{env}] on {engine.traits.name}"
        )
        engine.discard(each)
    if lost and key not in engine.inventory.names():  # no lock and no history are made in a directory that is gone
        return DownResult(name, env, engine.traits.name, planning.plan_removal(lost[-1]), engine.traits.project, place)
    with engine.locks.acquire(name, env, workspace.settings.lock_wait):
        notices.extend(engine.recover(name, env))
        observed = engine.observe(name, env)
        plan = None if observed is None else planning.plan_removal(observed)
        try:
            ledger = workspace.ledger_of(engine)
            notices.extend(ledger.mark_interrupted(name, env, engine.traits.name))
            _write_and_remove(ledger, engine, (name, env), observed, progress)
        except LedgerError as error:  # a full disk is no reason to keep what fills it
            notices.append(f"{error.message}; what is removed is not written down")
            engine.remove(name, env)
    return None if plan is None else DownResult(name, env, engine.traits.name, plan, engine.traits.project, place)


def _write_and_remove(
    ledger: Ledger, engine: Engine, key: tuple[str, str], observed: Deployment | None, progress: Progress
) -> None:
    if observed is None:
        engine.remove(*key)
        return
    progress("stopping {} [{}] on {}".format(*key, engine.traits.name))
    plan = planning.plan_removal(observed)
    with record_release(ledger, observed, plan, engine.traits.name) as record:
        for step in plan.steps:
            record.step(step.action)
            engine.remove(*key)
