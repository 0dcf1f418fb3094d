"""A change of a deployment, from its desired state to the result of the executed plan; or its preview."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial

from deployer.config.spec import Spec
from deployer.engines import compatibility
from deployer.errors import PlanOutdated, note_undone
from deployer.results.changes import UpResult
from deployer.results.deployment import GONE, Deployment
from deployer.results.history import ROLLBACK
from deployer.results.launch import Launch
from deployer.results.model import Model
from deployer.results.plan import Change, Plan
from deployer.results.progress import Progress, no_progress
from deployer.results.served import ServedModel
from deployer.rollout import addresses, gone, killed_releases, lookup, lost_versions
from deployer.rollout.breaking_changes import NONE_DECLARED, signatures_of_lost_versions
from deployer.rollout.executor import Context, Execution, execute
from deployer.rollout.expectation import Expectation
from deployer.rollout.export_options import ExportOptions
from deployer.rollout.exports import ONLY_RUNNING_TELLS, export_into
from deployer.rollout.gate import Gate
from deployer.rollout.journal import record_release
from deployer.rollout.kept_settings import keep_settings
from deployer.rollout.launch import check_settings, resolve_models
from deployer.rollout.memory import MemoryReading
from deployer.rollout.monitor import monitor_traffic
from deployer.rollout.notices import defaults, targets, unused_options
from deployer.rollout.notices import engine as engine_notices
from deployer.rollout.notices import plan as plan_notices
from deployer.rollout.notices.collect import collect_notices
from deployer.rollout.preview import check_versions, decide_plan, preview_change, resolve_with_labels
from deployer.rollout.reload import recover_interrupted
from deployer.rollout.serving_note import note_what_serves
from deployer.rollout.setting_errors import name_origin
from deployer.rollout.workspace import Workspace
from deployer.store.store import kept_note

DesiredState = Callable[[Deployment], Spec]
"""Returns the spec that a deployment should have, from how it is observed."""


def change(  # noqa: PLR0913
    workspace: Workspace,
    deployed: Deployment,
    desired: DesiredState,
    *,
    dry_run: bool,
    progress: Progress,
    reason: str = "",
) -> UpResult:
    """Bring a deployment to its desired state with versions from the store, or preview that.

    `desired` is called again once the deployment is locked, so that changes by other commands are kept. `reason` names
    the command in the history. Raises DeploymentNotFound if another command has removed the deployment.
    """
    workspace = workspace.with_spec(desired(deployed)).for_deployment(deployed.name)
    check_settings(workspace.spec, workspace.engine, workspace.origins)

    def desired_now(observed: Deployment | None) -> Spec:
        if observed is None and deployed.role != GONE:
            raise lookup.not_deployed_error(workspace, deployed.name)
        return desired(observed or deployed)

    options = ExportOptions()
    with addresses.suggest_free_port(workspace, addresses.SETTING_HINT):
        if dry_run:
            return preview(workspace, options, reason)
        return deploy(workspace, options, progress, reason=reason, desired=desired_now)


def preview(workspace: Workspace, options: ExportOptions, reason: str = "") -> UpResult:
    """Return the plan without executing it: nothing is exported, and TensorFlow is not imported.

    Raises VerificationFailed and InsufficientMemory for what `deploy` would refuse before it starts anything.
    """
    observed = workspace.engine.foresee(workspace.spec.deployment, workspace.spec.env)
    last = observed or gone.last_state(workspace, workspace.spec.deployment, workspace.spec.env)
    workspace = _keep_unset(workspace, observed, reason)
    with collect_notices() as notices:
        engine, key = workspace.engine, (workspace.spec.deployment, workspace.spec.env)
        notices.extend(note for _, note in killed_releases.notes(workspace.ledger, engine, *key))
        notices.extend(engine_notices.notices(workspace, observed))
        previewed = preview_change(workspace, options, observed, last if not reason else None)
        exports = previewed.exports
        lost = lost_versions.served_without_files(workspace) if exports else ()
        exported = {step.model: step.version for step in exports}
        uncertain = {step.model for step in exports if step.cause == ONLY_RUNNING_TELLS}
        notices.extend(lost_versions.unload_notices(lost, exported.items()))
        notices.extend(lost_versions.unloaded_notices(workspace))
        launch, plan = previewed.launch, previewed.plan_with_exports
        gate = Gate(
            workspace,
            launch,
            previewed.models,
            no_progress,
            previewed.reading,
            exports=previewed.requests,
            goes_back=reason == ROLLBACK,
        )
        gate.admit(plan.change, observed, every_file=True)
    notices += (
        *targets.notices(workspace, launch.models, last, options.name, exported, uncertain=uncertain),
        *plan_notices.notices(gate, plan, last, reason),
        *unused_options.notices(workspace, launch, plan, observed),
        *defaults.notices(workspace, launch, last, None),
    )
    plan = dataclasses.replace(plan, recovery=_recovery(workspace, observed))
    return _result(workspace, launch.models, plan, tuple(notices))


def deploy(  # noqa: PLR0913
    workspace: Workspace,
    options: ExportOptions,
    progress: Progress,
    *,
    expected: Expectation | None = None,
    reason: str = "",
    desired: Callable[[Deployment | None], Spec] | None = None,
) -> UpResult:
    """Export the sources of the spec, then lock the deployment, decide on a plan and execute it.

    `desired` replaces the spec once the deployment is locked. Raises PlanOutdated for another plan than is `expected`.
    """
    with note_what_serves(workspace) as before, collect_notices() as notices, exports_stay() as exported:
        signatures = signatures_of_lost_versions(workspace) if workspace.has_source else NONE_DECLARED
        lost = lost_versions.served_without_files(workspace) if workspace.has_source else ()
        before_export = workspace
        workspace = workspace.with_spec(export_sources(workspace, options, progress, notices, exported))
        notices.extend(lost_versions.unload_notices(lost, [(model.name, model.version) for model in exported]))
        expected_plan = None if expected is None else expected.plan_after_exports(workspace.spec, exported)
        launch, models = _resolve(workspace)
        foreseen = workspace.engine.foresee(*launch.key)
        recovery = _recovery(_keep_unset(workspace, foreseen, reason), foreseen)
        with workspace.lock(workspace.engine, launch.name, launch.env):
            observed = recover_interrupted(workspace, launch.name, launch.env, notices)
            before.models = observed.models if observed else ()
            last = observed or gone.last_state(workspace, launch.name, launch.env)
            spec = desired(observed) if desired else workspace.spec
            current = _keep_unset(workspace.with_spec(spec), observed, reason)
            notices.extend(engine_notices.notices(current, observed))
            stopped = last if desired is None and last and last.stopped_component else None
            resolve_again = current.spec != workspace.spec or stopped
            workspace = current
            if resolve_again:
                launch, models = _resolve(workspace, stopped)
            launch = dataclasses.replace(launch, temporary_settings=workspace.kept.temporary)
            reading = MemoryReading(workspace.engine, observed)
            plan = dataclasses.replace(decide_plan(workspace, launch, models, reading), recovery=recovery)
            if expected_plan is not None and not expected_plan.leads_to(plan):
                raise outdated(plan)
            gate = Gate(workspace, launch, models, progress, reading, signatures, goes_back=reason == ROLLBACK)
            executed = _execute(plan, gate, last, notices, reason)
        new = {model.name: model.version for model in exported}
        notices.extend(targets.notices(before_export, launch.models, last, options.name, new))
        notices.extend(defaults.notices(workspace, launch, last, executed.deployment))
    result = _result(workspace, launch.models, plan, tuple(notices))
    return dataclasses.replace(
        result,
        endpoints=executed.deployment.endpoints,
        report=executed.report,
        traffic=executed.traffic,
        served_before=before.models,
    )


def _execute(plan: Plan, gate: Gate, last: Deployment | None, notices: list[str], reason: str) -> Execution:
    """Execute a plan that the gate admits: recorded in the history, and measured if asked for.

    `last` is what the history has of a deployment that no engine has any more, else what was observed.
    """
    workspace, launch, observed = gate.workspace, gate.launch, gate.reading.observed
    if plan.change is not Change.NOTHING:
        compatibility.check(gate.models, workspace.engine.traits.tensorflow, workspace.spec.server.flags)
    foreseen = tuple(plan_notices.notices(gate, plan, last, reason))
    notices.extend(unused_options.notices(workspace, launch, plan, observed))
    note = "; ".join(filter(None, (reason, "the gate was skipped" if workspace.spec.gate.skip else "")))
    engine, store = workspace.engine.traits.name, str(workspace.spec.models_dir.resolve())
    with (
        record_release(workspace.ledger, launch, plan, engine, note=note, reason=reason, store=store) as release,
        monitor_traffic(workspace, launch, plan, observed, release.keep_figures) as monitor,
    ):
        gate.admit(plan.change, observed)
        context = Context(gate, observed, notices.append, release.step, release.started, monitor)
        executed = execute(plan, context)
        release.keep_settings(executed.deployment)
    notices.extend(foreseen)  # after an error they would not be true
    return dataclasses.replace(executed, traffic=monitor.figures)


def expect_plan(workspace: Workspace, options: ExportOptions, digest: str | None) -> Expectation | None:
    """Return the plan that has this digest. Raises PlanOutdated if the plan is another."""
    if digest is None:
        return None
    expected = foresee(workspace, options, workspace.engine.foresee(workspace.spec.deployment, workspace.spec.env))
    if expected.preview.plan_with_exports.digest != digest:
        raise outdated(expected.preview.plan_with_exports)
    return expected


def foresee(workspace: Workspace, options: ExportOptions, observed: Deployment | None) -> Expectation:
    """Return the plan that `deploy` would execute if it found the deployment as it was `observed`."""
    workspace = _keep_unset(workspace, observed, "")
    last = observed or gone.last_state(workspace, workspace.spec.deployment, workspace.spec.env)
    preview = preview_change(workspace, options, observed, last)
    plan = dataclasses.replace(preview.plan, recovery=_recovery(workspace, observed))
    return Expectation(workspace, observed, last, dataclasses.replace(preview, plan=plan))


def _recovery(workspace: Workspace, observed: Deployment | None) -> tuple[str, ...]:
    """Return what a change does first about a killed one, which leads to the deployment as it is `observed`.

    Call it before the deployment is locked: a command that holds the lock was not killed.
    """
    engine, key = workspace.engine, (workspace.spec.deployment, workspace.spec.env)
    return (*engine.leftovers(*key), *killed_releases.recovery(workspace.ledger, engine, observed))


def _keep_unset(workspace: Workspace, observed: Deployment | None, reason: str) -> Workspace:
    """Return the workspace with the host and the container settings that the deployment has and nothing sets.

    A change of models alone, which `reason` names, also keeps settings that are no longer in the file.
    """
    workspace = workspace.with_spec(addresses.keep_host(workspace.spec, observed))
    return keep_settings(workspace, observed, of_file=bool(reason))


def outdated(plan: Plan) -> PlanOutdated:
    """Return the error that the plan is not the expected one."""
    return PlanOutdated(
        f"another plan was expected than would be executed now: {plan}",
        hint="deployer plan shows it, with its digest",
    )


def _resolve(workspace: Workspace, stopped: Deployment | None = None) -> tuple[Launch, tuple[Model, ...]]:
    """Return the launch of the spec, with the labels of a stopped deployment, and its versions of the store."""
    with name_origin(workspace):
        resolved = resolve_models(workspace.spec, workspace.store)
    launch = resolve_with_labels(workspace, resolved, stopped)
    return launch, tuple(model for each in resolved for model in each.models)


def export_sources(
    workspace: Workspace, options: ExportOptions, progress: Progress, notices: list[str], exported: list[Model]
) -> Spec:
    """Return the spec with each source exported and its version pinned; new versions are added to `exported`."""
    if not workspace.has_source:
        return workspace.spec
    from deployer.export import child

    check_versions(workspace, options)
    models = dict(workspace.spec.models)
    highest_served = partial(lost_versions.highest_served, workspace)
    with child.shared_child():
        for name, spec in models.items():
            if spec.source is not None:
                result = export_into(
                    workspace.store, spec.source, options.for_model(name, spec), progress, highest_served
                )
                model = result.model
                exported.extend([model] if result.created else [])
                notices.extend((*result.notices, *(model.golden.notes if result.created else ())))
                models[name] = dataclasses.replace(spec, versions=spec.versions or (model.version,))
    return dataclasses.replace(workspace.spec, models=models)


@contextmanager
def exports_stay() -> Iterator[list[Model]]:
    """Collect exported versions; an error or Ctrl-C does not remove them, and a note says so."""
    exported: list[Model] = []
    try:
        yield exported
    except BaseException as error:
        for model in exported:
            note_undone(error, kept_note(model.name, model.version))
        raise


def _result(workspace: Workspace, models: tuple[ServedModel, ...], plan: Plan, notices: tuple[str, ...]) -> UpResult:
    spec = workspace.spec
    return UpResult(spec.deployment, spec.env, workspace.engine.traits.name, models, None, plan, None, notices=notices)
