"""`up`: from a source, a stored model or `deployer.toml` to a proven endpoint. Run again, it changes nothing."""

from __future__ import annotations

import dataclasses

from deployer import plan as planning
from deployer.deployment import Change, Plan, ServedModel, Step
from deployer.engines import loading
from deployer.engines.base import Address
from deployer.errors import EngineUnavailable, UsageError
from deployer.model import Model, check_name
from deployer.operations.deploy import Deploy
from deployer.operations.export import ExportOptions, export_into, would_change
from deployer.operations.launching import check_batching, launch, served_model, wanted_models
from deployer.operations.recording import recorded
from deployer.operations.switching import settled
from deployer.operations.targets import name_for, stored
from deployer.operations.workspace import Progress, Settings, Workspace, open_workspace, silent
from deployer.report import UpResult
from deployer.spec import ModelSpec, Spec


def up(
    target: str | None = None,
    *,
    options: ExportOptions | None = None,
    settings: Settings | None = None,
    dry_run: bool = False,
    progress: Progress = silent,
) -> UpResult:
    """Deploy `target`: a source (exported first), `NAME[:VERSION]` from the store, or all that `deployer.toml` says.

    Raises ConfigError, ModelError, TemplateError, EngineError, NotReady, GateRefused, LockHeld; whatever served
    before then still serves.
    """
    options = options or ExportOptions()
    workspace = open_workspace(settings or Settings())
    spec = aim(workspace, target, options)
    workspace = dataclasses.replace(workspace, spec=spec).narrowed(spec.deployment)
    check_platform(workspace)
    options = options.for_batching(spec.batching)
    return preview(workspace, options) if dry_run else deploy(workspace, options, progress)


def aim(workspace: Workspace, target: str | None, options: ExportOptions) -> Spec:
    """The spec with just the models that the target means. Raises UsageError when nothing is meant."""
    spec = workspace.spec
    if target is None:
        _refuse_export_options("deployer.toml", dataclasses.replace(options, force=False))
        if spec.models:
            return spec
        raise UsageError(
            "there is nothing to deploy: no target was given, and no deployer.toml lists models", hint=_HOW
        )
    known = stored(target, workspace.store)
    if known:
        _refuse_export_options(target, options)
    name = check_name(known.name if known else name_for(target) if options.name is None else options.name)
    listed = spec.models.get(name, ModelSpec())
    model = _chosen(listed, known.version) if known else _from_source(listed, target, options)
    if name in spec.models:
        return dataclasses.replace(spec, models={**spec.models, name: model})
    return dataclasses.replace(spec, name=name, models={name: model})


_HOW = "deployer up SOURCE, deployer up NAME[:VERSION], or deployer init"


def _refuse_export_options(target: str, options: ExportOptions) -> None:
    """Options that shape an export go with a source, and with nothing else."""
    given = [field.name for field in dataclasses.fields(options) if getattr(options, field.name) != field.default]
    if given:
        from deployer.export.kinds import option

        raise UsageError(f"{option(given[0])} goes with a source to export, not with {target}", hint=_HOW)


def _chosen(listed: ModelSpec, version: int | None) -> ModelSpec:
    return dataclasses.replace(listed, source=None, versions=() if version is None else (version,))


def _from_source(listed: ModelSpec, target: str, options: ExportOptions) -> ModelSpec:
    return dataclasses.replace(options.over(listed), source=target, versions=())


def check_platform(workspace: Workspace) -> None:
    """Refuse before anything is made: an unfit engine, a taken port. Raises EngineError."""
    for finding in workspace.engine.check():
        if finding.severity == "error":
            raise EngineUnavailable(finding.message, hint=finding.remedy)
    server = workspace.spec.server
    address = Address(server.host, server.rest_port, server.grpc_port)
    workspace.engine.check_address(workspace.spec.deployment, workspace.spec.env, address)


def preview(workspace: Workspace, options: ExportOptions) -> UpResult:
    """The plan, with nothing touched and no TensorFlow imported."""
    steps: list[Step] = []
    models = tuple(_foreseen(workspace, name, spec, options, steps) for name, spec in workspace.spec.models.items())
    observed = workspace.engine.observe(workspace.spec.deployment, workspace.spec.env)
    plan = planning.decide(
        launch(workspace.spec, workspace.engine, models), observed, seamless=workspace.engine.seamless
    )
    return _result(workspace, models, dataclasses.replace(plan, steps=(*steps, *plan.steps)))


def _foreseen(
    workspace: Workspace, name: str, spec: ModelSpec, options: ExportOptions, steps: list[Step]
) -> ServedModel:
    """What would be served of a model; an export that would come first is added to `steps`."""
    store = workspace.store
    if spec.source is not None:
        change = would_change(store, spec.source, export_options(name, spec, options))
        if change is not False:
            version = options.version or store.next_version(name)
            cause = "the store does not have it" if change else "only running it tells whether it changed"
            steps.append(Step(f"export {spec.source} as {name}:{version}", cause))
            return ServedModel(name, (version,), tuple(sorted(spec.labels.items())))
    models = tuple(store.get(name, version) for version in spec.versions) or (store.get(name),)
    check_batching(workspace.spec, models)
    loading.check(models, workspace.engine.tensorflow)
    return served_model(name, models, spec)


def export_options(name: str, spec: ModelSpec, options: ExportOptions) -> ExportOptions:
    """The options for exporting one model of the spec."""
    return dataclasses.replace(options.with_those_of(spec), name=name)


def deploy(workspace: Workspace, options: ExportOptions, progress: Progress) -> UpResult:
    """Carry out what the workspace's spec says, exports first."""
    spec = _exported(workspace, options, progress)
    workspace = dataclasses.replace(workspace, spec=spec)
    wanted = wanted_models(spec, workspace.store)
    models: tuple[Model, ...] = tuple(model for found in wanted for model in found.models)
    request = launch(spec, workspace.engine, tuple(found.served for found in wanted))
    with workspace.engine.lock(request.name, request.env, workspace.settings.lock_wait):
        observed = settled(workspace, request.name, request.env, progress)
        plan = planning.decide(request, observed, seamless=workspace.engine.seamless)
        if plan.change is not Change.NOTHING:
            loading.check(models, workspace.engine.tensorflow)
        with recorded(workspace.ledger, request, plan, workspace.engine.name) as step:
            deployment, report = Deploy(workspace, request, models, progress, step).carry_out(plan, observed)
    result = _result(workspace, request.models, plan)
    return dataclasses.replace(result, endpoints=deployment.endpoints, report=report)


def _exported(workspace: Workspace, options: ExportOptions, progress: Progress) -> Spec:
    """The spec with every source exported and its version pinned."""
    models = dict(workspace.spec.models)
    for name, spec in models.items():
        if spec.source is not None:
            chosen = export_options(name, spec, options)
            model = export_into(workspace.store, spec.source, chosen, progress).model
            models[name] = dataclasses.replace(spec, versions=spec.versions or (model.version,))
    return dataclasses.replace(workspace.spec, models=models)


def _result(workspace: Workspace, models: tuple[ServedModel, ...], plan: Plan) -> UpResult:
    spec = workspace.spec
    return UpResult(spec.deployment, spec.env, workspace.engine.name, models, None, plan, None)
