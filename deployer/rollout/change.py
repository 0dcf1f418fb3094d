"""Changes of a deployment: exports, lock, recovery, observation, plan, and its execution; or the plan alone."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial

from deployer.config.spec import Spec
from deployer.engines import loading
from deployer.errors import PlanOutdated, note_undone
from deployer.results.changes import UpResult
from deployer.results.deployment import Deployment, Launch, ServedModel
from deployer.results.model import Model
from deployer.results.plan import Change, Plan, Promote
from deployer.rollout import addresses, lost_versions
from deployer.rollout.breaking_changes import NONE_DECLARED, signatures_of_lost_versions
from deployer.rollout.executor import Context, execute
from deployer.rollout.export_options import ExportOptions
from deployer.rollout.exports import export_into
from deployer.rollout.gate import Gate
from deployer.rollout.journal import record_release
from deployer.rollout.launch import check_container_options, resolve_launch, resolve_models
from deployer.rollout.monitor import monitor_traffic
from deployer.rollout.notices import defaults, reverts, routing, unused_options
from deployer.rollout.notices.collect import collect_notices
from deployer.rollout.preview import check_versions, decide_plan, preview_change
from deployer.rollout.reload import recover_interrupted
from deployer.rollout.workspace import Progress, Workspace, no_progress
from deployer.store.store import stays

DesiredState = Callable[[Deployment], Spec]
"""What a deployment, as it is, should become."""
AVOIDED = "; with gateway.enabled = true in deployer.toml, later changes keep them open"


def change(  # noqa: PLR0913 - what a change is made of
    workspace: Workspace,
    deployed: Deployment,
    wanted: DesiredState,
    *,
    dry_run: bool,
    progress: Progress,
    reason: str = "",
) -> UpResult:
    """Have what is deployed become what is wanted, of models that the store has, or tell what that would be; `reason`
    is noted in the history while it is done.

    It is asked again what is wanted once nobody else can change the deployment: what others have changed since stays.
    Raises DeploymentNotFound when they have removed it.
    """
    workspace = workspace.with_spec(wanted(deployed)).for_deployment(deployed.name)
    check_container_options(workspace.settings, workspace.engine)

    def now_wanted(observed: Deployment | None) -> Spec:
        if observed is None:
            raise workspace.not_deployed_error(deployed.name)
        return wanted(observed)

    options = ExportOptions()
    with addresses.suggest_free_port(workspace.spec.server, addresses.SETTING_HINT):
        if dry_run:
            return preview(workspace, options, reason)
        return deploy(workspace, options, progress, reason=reason, now=now_wanted)


def preview(workspace: Workspace, options: ExportOptions, reason: str = "") -> UpResult:
    """The plan, with nothing touched and no TensorFlow imported. Raises VerificationFailed and InsufficientMemory for
    what would be refused before anything is started.
    """
    observed = workspace.engine.observe(workspace.spec.deployment, workspace.spec.env)
    workspace = workspace.with_spec(addresses.keep_host(workspace.spec, observed))
    found = preview_change(workspace, options, observed)
    gate = Gate(workspace, found.launch, found.models, no_progress)
    gate.admit(found.plan.change, observed)
    notices = (
        *_foretold(gate, found.with_exports, observed, reason),
        *defaults.notices(workspace, found.launch, observed, None),
    )
    return _result(workspace, found.launch.models, found.with_exports, notices)


def _foretold(gate: Gate, plan: Plan, observed: Deployment | None, reason: str) -> Iterator[str]:
    """What is known to be said of a plan before it is carried out."""
    workspace, launch = gate.workspace, gate.launch
    yield from reverts.notices(workspace, launch, observed, reason)
    yield from routing.notices(observed.models if observed else (), launch.models, reason)
    yield from gate.accepted(plan.change, observed)
    yield from unused_options.notices(workspace, launch, plan, observed)
    yield from (
        f"the ports are closed for a moment, until {step.gap}: {step.cause}{'' if step.gateway else AVOIDED}"
        for step in plan.steps
        if isinstance(step, Promote) and step.gap
    )


def deploy(  # noqa: PLR0913 - what a change is made of
    workspace: Workspace,
    options: ExportOptions,
    progress: Progress,
    *,
    expected: Plan | None = None,
    reason: str = "",
    now: Callable[[Deployment | None], Spec] | None = None,
) -> UpResult:
    """Carry out what the workspace's spec says, exports first. Raises PlanOutdated when that is not `expected`.

    `now` has the last word on what is wanted, when what is there cannot change any more.
    """
    with collect_notices() as notices, _noting_what_stays() as made:
        has_source = any(model.source is not None for model in workspace.spec.models.values())
        asked = signatures_of_lost_versions(workspace) if has_source else NONE_DECLARED
        workspace = workspace.with_spec(_exported(workspace, options, progress, notices, made))
        notices.extend(lost_versions.unloaded(((name, version) for name, version, _ in asked), made))
        request, models = _request(workspace)
        with workspace.engine.locks.acquire(request.name, request.env, workspace.settings.lock_wait):
            observed = recover_interrupted(workspace, request.name, request.env, notices)
            spec = addresses.keep_host(now(observed) if now is not None else workspace.spec, observed)
            if spec != workspace.spec:
                workspace = workspace.with_spec(spec)
                request, models = _request(workspace)
            plan = decide_plan(workspace, request, models, observed)
            if expected is not None and plan.digest != expected.digest:
                raise _outdated(plan)
            if plan.change is not Change.NOTHING:
                loading.check(models, workspace.engine.traits.tensorflow, workspace.spec.server.flags)
            gate = Gate(workspace, request, models, progress, asked)
            notices.extend(_foretold(gate, plan, observed, reason))
            note = "; ".join(filter(None, (reason, "the gate was skipped" if workspace.spec.gate.skip else "")))
            with (
                record_release(
                    workspace.ledger, request, plan, workspace.engine.traits.name, note=note, reason=reason
                ) as record,
                monitor_traffic(workspace, request, plan, observed, record.measured) as monitor,
            ):
                gate.admit(plan.change, observed)
                context = Context(workspace, request, gate, observed, progress, notices.append, record.step, monitor)
                deployment, report = execute(plan, context)
        notices.extend(defaults.notices(workspace, request, observed, deployment))
    result = _result(workspace, request.models, plan, tuple(notices))
    return dataclasses.replace(result, endpoints=deployment.endpoints, report=report, traffic=monitor.figures)


def _request(workspace: Workspace) -> tuple[Launch, tuple[Model, ...]]:
    """What the spec wants to be served, and the versions of that as the store has them."""
    wanted = resolve_models(workspace.spec, workspace.store)
    request = resolve_launch(workspace.spec, workspace.engine, tuple(found.served for found in wanted))
    return request, tuple(model for found in wanted for model in found.models)


@contextmanager
def _noting_what_stays() -> Iterator[list[Model]]:
    """A list for the versions that are made: an error or Ctrl-C does not take them back, and a note says so."""
    made: list[Model] = []
    try:
        yield made
    except BaseException as error:
        for model in made:
            note_undone(error, stays(model.name, model.version))
        raise


def _exported(
    workspace: Workspace, options: ExportOptions, progress: Progress, notices: list[str], new: list[Model]
) -> Spec:
    """The spec with every source exported and its version pinned; what the exports say goes to `notices`, and what they
    make to `new`.
    """
    from deployer.export import child

    models, served = dict(workspace.spec.models), partial(lost_versions.highest_served, workspace)
    if any(spec.source is not None for spec in models.values()):
        check_versions(workspace, options)
    with child.kept():
        for name, spec in models.items():
            if spec.source is not None:
                chosen = options.for_model(name, spec)
                made = export_into(workspace.store, spec.source, chosen, progress, served)
                model = made.model
                new.extend([model] if made.created else [])
                notices.extend((*made.notices, *(model.golden.notes if made.created else ())))
                models[name] = dataclasses.replace(spec, versions=spec.versions or (model.version,))
    return dataclasses.replace(workspace.spec, models=models)


def _result(workspace: Workspace, models: tuple[ServedModel, ...], plan: Plan, notices: tuple[str, ...]) -> UpResult:
    spec = workspace.spec
    return UpResult(spec.deployment, spec.env, workspace.engine.traits.name, models, None, plan, None, notices=notices)


def expected_plan(workspace: Workspace, options: ExportOptions, digest: str | None) -> Plan | None:
    """The plan whose digest was given, as it will be found once its exports are made."""
    if digest is None:
        return None
    observed = workspace.engine.observe(workspace.spec.deployment, workspace.spec.env)
    workspace = workspace.with_spec(addresses.keep_host(workspace.spec, observed))
    found = preview_change(workspace, options, observed)
    if found.with_exports.digest != digest:
        raise _outdated(found.plan)
    return found.plan


def _outdated(plan: Plan) -> PlanOutdated:
    return PlanOutdated(
        f"the plan that was expected is not what would be done now: {plan}",
        hint="deployer plan shows it, with its digest",
    )
