"""`scale`: change the number of servers of a deployment on a Docker Swarm."""

from __future__ import annotations

import dataclasses

from deployer.config.options import Settings
from deployer.config.swarm import MAX_REPLICAS
from deployer.engines.base import one_server_error
from deployer.errors import InvalidValue
from deployer.results.changes import UpResult
from deployer.results.deployment import Deployment
from deployer.results.history import SCALE
from deployer.results.launch import Launch, Rendered
from deployer.results.plan import Change, Plan
from deployer.results.progress import Progress, no_progress
from deployer.rollout import killed_releases, lookup
from deployer.rollout import plan as planning
from deployer.rollout.executor import Context, Execution, execute
from deployer.rollout.gate import Gate
from deployer.rollout.journal import record_release
from deployer.rollout.memory import MemoryReading
from deployer.rollout.notices import reverts
from deployer.rollout.notices.collect import collect_notices
from deployer.rollout.reload import recover_interrupted
from deployer.rollout.serving_note import note_what_serves
from deployer.rollout.workspace import Workspace, open_workspace


def scale(
    name: str,
    replicas: int,
    *,
    settings: Settings | None = None,
    dry_run: bool = False,
    progress: Progress = no_progress,
) -> UpResult:
    """Run `replicas` servers of a deployment: the same image, models and settings.

    It returns once all of them are healthy, and those in excess have answered their requests. `redeploy` and `rollback`
    keep the number; `up` goes back to the one of `deployer.toml` or `--replicas`, if there is one.

    Raises InvalidValue, DeploymentNotFound, NotRunning, LockHeld; SettingRefused on an engine that runs one server for
    each deployment; EngineError if a server does not run: then the number is what it was.
    """
    if not 1 <= replicas <= MAX_REPLICAS:
        raise InvalidValue(
            f"{replicas} is not a number of servers: 1 to {MAX_REPLICAS}",
            hint=f"deployer down {name} stops all of them" if replicas == 0 else None,
        )
    workspace = open_workspace(settings or Settings(), "scale")
    deployed = lookup.find_to_change(workspace, name)
    if deployed.silence:
        raise lookup.not_running_error(workspace, deployed)
    workspace = workspace.for_deployment(deployed.name)
    workspace = workspace.with_spec(dataclasses.replace(workspace.spec, name=deployed.name))
    if not workspace.engine.traits.replicated:
        raise one_server_error(workspace.engine.traits.name)
    plan = planning.on_engine(planning.plan_scale(deployed, replicas), workspace.engine.traits)
    later = reverts.replicas_conflict(workspace, replicas)
    engine = workspace.engine
    leftovers = engine.leftovers(deployed.name, deployed.env)
    recovery = (*leftovers, *killed_releases.recovery(workspace.ledger, engine, deployed))
    if dry_run:
        return _preview(workspace, deployed, dataclasses.replace(plan, recovery=recovery), later)
    with (
        note_what_serves(workspace),
        collect_notices() as notices,
        workspace.lock(workspace.engine, deployed.name, deployed.env),
    ):
        deployed = _recovered(workspace, deployed.name, notices)
        plan = planning.on_engine(planning.plan_scale(deployed, replicas), workspace.engine.traits)
        executed = _execute(workspace, deployed, plan, notices, progress)
    plan = dataclasses.replace(plan, recovery=recovery)
    result = _result(executed.deployment, plan, (*notices, *later))
    return dataclasses.replace(
        result,
        endpoints=executed.deployment.endpoints,
        report=executed.report,
        served_before=deployed.models,
    )


def _preview(workspace: Workspace, deployed: Deployment, plan: Plan, notices: tuple[str, ...]) -> UpResult:
    """Return the plan of a deployment without what a killed command left, with what is done about that first."""
    engine, ledger = workspace.engine, workspace.ledger
    killed = (note for _, note in killed_releases.notes(ledger, engine, deployed.name, deployed.env))
    return _result(deployed, plan, (*killed, *notices))


def _recovered(workspace: Workspace, name: str, notices: list[str]) -> Deployment:
    """Return the locked deployment, without what a killed command left. Raises DeploymentNotFound, NotRunning."""
    observed = recover_interrupted(workspace, name, workspace.spec.env, notices)
    if observed is None:
        raise lookup.not_deployed_error(workspace, name)
    if observed.silence:
        raise lookup.not_running_error(workspace, observed)
    return observed


def _execute(
    workspace: Workspace, deployed: Deployment, plan: Plan, notices: list[str], progress: Progress
) -> Execution:
    """Execute the plan of a locked deployment, recorded in the history."""
    gate = Gate(workspace, _launch(deployed), (), progress, MemoryReading(workspace.engine, deployed))
    store = str(deployed.store or "")
    with record_release(
        workspace.ledger, deployed, plan, deployed.engine, note=_change(plan), reason=SCALE, store=store
    ) as release:
        release.started(deployed.release)
        executed = execute(plan, Context(gate, deployed, notices.append, release.step))
        release.keep_settings(executed.deployment)
    return executed


def _change(plan: Plan) -> str:
    return "" if plan.change is Change.NOTHING else plan.steps[0].action


def _launch(deployed: Deployment) -> Launch:
    """Return the launch of what serves already."""
    return Launch(
        deployed.name,
        deployed.env,
        deployed.host,
        deployed.rest_port,
        deployed.grpc_port,
        deployed.flags or (),
        deployed.models,
        "",
        Rendered({}),
        replicas=deployed.replicas,
    )


def _result(deployed: Deployment, plan: Plan, notices: tuple[str, ...]) -> UpResult:
    return UpResult(deployed.name, deployed.env, deployed.engine, deployed.models, None, plan, None, notices=notices)
