"""`down`: stop a deployment and remove its files; the store stays."""

from __future__ import annotations

import contextlib
import dataclasses
import shlex
from collections.abc import Callable, Collection, Iterator
from functools import partial
from pathlib import Path

from deployer.config.options import Settings
from deployer.engines.base import Engine
from deployer.errors import DeploymentNotFound, EngineError, LedgerError
from deployer.results.changes import DownResult
from deployer.results.deployment import GONE, LOST, Deployment
from deployer.results.progress import Phase, Progress, no_progress
from deployer.rollout import gone, image_copies, lookup, other_deployments, other_engines
from deployer.rollout import plan as planning
from deployer.rollout.environments import open_environments
from deployer.rollout.journal import record_release
from deployer.rollout.ledger import LEDGER_FILE, Ledger
from deployer.rollout.notices import certificates
from deployer.rollout.notices.collect import collect_notices
from deployer.rollout.workspace import Workspace, engine_key, open_workspace
from deployer.system.attempts import collect_errors, merge_errors

Confirm = Callable[[tuple[str, ...]], bool]
"""Asks whether the deployments of other projects may be removed."""


def _yes(_: tuple[str, ...]) -> bool:
    return True


def down(name: str | None = None, *, settings: Settings | None = None, progress: Progress = no_progress) -> DownResult:
    """Stop a deployment once its requests in flight are finished. Raises DeploymentNotFound, LockHeld."""
    workspace = open_workspace(settings or Settings(), "down", allow_unset=True)
    name = lookup.deployment_name(workspace, name)
    engine = workspace.for_deployment(name).engine
    with collect_notices() as notices:
        notices.extend(_foreign_notices(engine, name, workspace.spec.env))
        result = _down(workspace, engine, (name, workspace.spec.env), progress, notices)
        if result is None:
            raise lookup.not_deployed_error(workspace, name)
        image_copies.remove_unused(workspace)
    return dataclasses.replace(result, notices=tuple(notices))


def down_all(
    *,
    all_projects: bool = False,
    confirm: Confirm = _yes,
    settings: Settings | None = None,
    progress: Progress = no_progress,
) -> tuple[DownResult, ...]:
    """Stop every deployment of the project, in all environments; with `all_projects` also those of other projects.

    `confirm` gets the deployments of other projects as text, and returns whether they may be removed. The first result
    has the notices of all. Raises DeploymentNotFound if nothing is deployed. For a deployment that cannot be stopped,
    raises EngineError or LockHeld after the others are stopped, and ConfigError for an environment whose settings are
    wrong; its `results` are those.
    """
    environments = open_environments(settings or Settings())
    workspace, wrong = environments.workspace, environments.wrong
    with collect_notices() as notices:
        for engine in workspace.engines:
            with contextlib.suppress(EngineError):  # reported below
                notices.extend(_foreign_notices(engine))
        found, unreachable = collect_errors(
            partial(_deployments, workspace, engine, all_projects, wrong) for engine in workspace.engines
        )
        selected = tuple({(engine_key(engine), key): (engine, key) for engine, key in found}.values())
        own = set(map(engine_key, workspace.engines))
        others = tuple(sorted({_text(workspace, *each) for each in selected if engine_key(each[0]) not in own}))
        if others and not confirm(others):
            selected = tuple(each for each in selected if engine_key(each[0]) in own)
        results, failures = collect_errors(
            partial(_down_one, workspace, engine, key, progress, notices) for engine, key in selected
        )
        removed = tuple(result for result in results if result)
        if not wrong:  # an environment that cannot be opened may use copies, too
            image_copies.remove_unused(workspace)
        if unreachable or failures or wrong:
            raise merge_errors((*unreachable, *failures, *wrong.values()), removed)
        if not removed:
            raise _nothing_deployed(workspace, all_projects=all_projects)
        if not all_projects and (elsewhere := other_deployments.hint_for_directories(workspace, "down --all")):
            notices.append(elsewhere)
    return (dataclasses.replace(removed[0], notices=tuple(notices)), *removed[1:])


def _nothing_deployed(workspace: Workspace, *, all_projects: bool) -> DeploymentNotFound:
    if all_projects:
        on_engines = " or ".join(workspace.engine_names)
        return DeploymentNotFound(f"no server runs on {on_engines} in any project", hint=lookup.deploy_hint(workspace))
    hint = lookup.deploy_hint(workspace)
    others = (other for engine in workspace.engines for other in engine.inventory.other_projects())
    if any(other.inventory.names() for other in others if other.traits.project != workspace.engine.traits.project):
        hint = f"deployer status --all-projects shows what other projects have; {hint}"
    hint = "; ".join(filter(None, (other_deployments.hint_for_directories(workspace, "down --all"), hint)))
    return DeploymentNotFound(f"nothing is deployed in project {workspace.engine.traits.project}", hint=hint)


def _deployments(
    workspace: Workspace, engine: Engine, all_projects: bool, wrong: Collection[str]
) -> list[tuple[Engine, tuple[str, str]]]:
    """Return the deployments of an engine. What only the history has of `wrong` environments may be on another one."""
    others = engine.inventory.other_projects() if all_projects else ()
    opened = (dataclasses.replace(workspace, engines=(each,)) for each in (engine, *others))
    return [
        (each.engine, key) for each in opened for key in (*each.engine.inventory.names(), *_recorded_keys(each, wrong))
    ]


def _recorded_keys(workspace: Workspace, wrong: Collection[str]) -> Iterator[tuple[str, str]]:
    keys = (*_gone_keys(workspace), *other_engines.keys(workspace))
    return (key for key in keys if key[1] not in wrong)


def _gone_keys(workspace: Workspace) -> Iterator[tuple[str, str]]:
    """Yield (name, env) of the deployments that the engine of the workspace has no more, and the history has."""
    inventory = workspace.engine.inventory
    return ((each.name, each.env) for each in gone.find_all(workspace, (*inventory.observe_all(), *inventory.lost())))


def _text(workspace: Workspace, engine: Engine, key: tuple[str, str]) -> str:
    name, env = key
    project = f"project {engine.traits.project}" if engine.traits.project else "no project"
    state_dir = _other_state_dir(workspace, engine)
    place = f", from {shlex.quote(str(state_dir))}" if state_dir else ""
    lost = f" (its state directory is {LOST})" if engine.inventory.lost(name, env) else ""
    return f"{name} [{env}] of {project} on {engine.traits.name}{place}{lost}"


def _other_state_dir(workspace: Workspace, engine: Engine) -> Path | None:
    """Return the state directory of an engine if it is not one of the workspace."""
    state_dir, own = engine.traits.state_dir, {each.traits.state_dir for each in workspace.engines}
    return None if state_dir in own else state_dir


def _foreign_notices(engine: Engine, *key: str) -> tuple[str, ...]:
    return tuple(f"{stranger}; it is left alone" for stranger in engine.inventory.conflicts(*key))


def _down_one(
    workspace: Workspace, engine: Engine, key: tuple[str, str], progress: Progress, notices: list[str]
) -> tuple[DownResult | None]:
    return (_down(workspace, engine, key, progress, notices),)


def _down(
    workspace: Workspace, engine: Engine, key: tuple[str, str], progress: Progress, notices: list[str]
) -> DownResult | None:
    """Stop one deployment; None if there is none, but leftovers of killed commands are removed all the same."""
    name, env = key
    state_dir = _other_state_dir(workspace, engine)
    lost = engine.inventory.lost(name, env)
    for each in lost:
        process = f"process {each.pid}, whose state directory is {LOST}"
        progress(Phase(f"stopping {process}: {name} [{env}] on {engine.traits.name}"))
        engine.discard(each)
    if lost and key not in engine.inventory.names():  # do not create the lock and the history again
        removal = planning.on_engine(planning.plan_removal(lost[-1]), engine.traits)
        return DownResult(name, env, engine.traits.name, removal, engine.traits.project, state_dir)
    if _is_on_other_engine(workspace, engine, name, env):
        return None
    with workspace.lock(engine, name, env):
        notices.extend(engine.recover(name, env))
        observed = engine.observe(name, env)
        removed = observed or gone.last_state(dataclasses.replace(workspace, engines=(engine,)), name, env)
        plan = None if removed is None else planning.on_engine(planning.plan_removal(removed), engine.traits)
        origin = None if state_dir or observed is None else other_deployments.origin(workspace, observed)
        if origin is not None and observed is not None:
            state_dir = origin
            notices.append(other_deployments.origin_note(workspace, observed))
        if removed is not None and removed.role == GONE:
            notices.append(f"{gone.note(removed)}; what the history keeps for it, such as its ports, is forgotten")
        with contextlib.suppress(EngineError):  # the removal reports it
            notices.extend(certificates.removal(engine, name, env))
        try:
            ledger = workspace.ledger_of(engine)
            notices.extend(ledger.mark_interrupted(name, env, engine.traits.name))
            _record_and_remove(ledger, engine, (name, env), removed, progress)
        except LedgerError as error:  # a full disk must not prevent a removal that frees it
            notices.append(f"{error.message}; the removal is not recorded")
            engine.remove(name, env)
        if origin is not None and observed is not None:
            notices.extend(_record_elsewhere(origin, engine, observed))
    return None if plan is None else DownResult(name, env, engine.traits.name, plan, engine.traits.project, state_dir)


def _is_on_other_engine(workspace: Workspace, engine: Engine, name: str, env: str) -> bool:
    """Return whether a deployment is on another engine of the workspace, which is asked for it, too.

    Raises DeploymentNotFound if it is on an engine that is not asked: that one needs what a removal would delete.
    """
    asked = dataclasses.replace(workspace, engines=(engine,))
    address = other_engines.address_of(asked, name, env)
    if not address or engine.observe(name, env):
        return False
    refused = other_engines.error(asked, "down", name, env)
    if refused is not None and address not in {each.traits.address for each in workspace.engines}:
        raise refused
    return True


def _record_elsewhere(state_dir: Path, engine: Engine, removed: Deployment) -> Iterator[str]:
    """Record a removal in the history that a deployment came from, too; yield a notice if that is not possible."""
    ledger = Ledger(state_dir / LEDGER_FILE, engine.traits.project, engine.traits.address)
    if not ledger.path.is_file():
        return
    try:
        with record_release(ledger, removed, planning.plan_removal(removed), engine.traits.name):
            pass
    except LedgerError as error:
        yield f"{error.message}; the removal is not recorded there"


def _record_and_remove(
    ledger: Ledger, engine: Engine, key: tuple[str, str], removed: Deployment | None, progress: Progress
) -> None:
    if removed is None:
        engine.remove(*key)
        return
    progress(Phase("stopping {} [{}] on {}".format(*key, engine.traits.name)))
    plan = planning.plan_removal(removed)
    with record_release(ledger, removed, plan, engine.traits.name) as record:
        record.started(removed.release)
        for step in plan.steps:
            record.step(step)
            engine.remove(*key)
