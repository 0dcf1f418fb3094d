"""Previews a change: the exports that come first, the launch that follows them, and the plan for it."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

from deployer.config.spec import ModelSpec
from deployer.engines import compatibility, run_dir
from deployer.errors import ConfigError, ModelNotFound
from deployer.results.deployment import Deployment, cli_name
from deployer.results.launch import Launch
from deployer.results.model import Model
from deployer.results.plan import Change, Plan
from deployer.results.served import ResolvedModel, ServedModel
from deployer.results.steps import Export, Step
from deployer.rollout import gone, lost_versions, reload
from deployer.rollout import plan as planning
from deployer.rollout.breaking_changes import NO_EXPORTS, Exports
from deployer.rollout.export_options import ExportOptions
from deployer.rollout.exports import ONLY_RUNNING_TELLS, NeededExport, find_exported
from deployer.rollout.launch import check_batching, check_gpus, check_labels, get_version, resolve_launch, served_model
from deployer.rollout.memory import MemoryReading, fits_three
from deployer.rollout.preflight import check_platform
from deployer.rollout.served_models import keep_labels
from deployer.rollout.setting_errors import name_origin
from deployer.rollout.targets import next_version
from deployer.rollout.workspace import Workspace
from deployer.store.store import Store
from deployer.system.packages import require_tensorflow


@dataclass(frozen=True)
class Preview:
    """The exports that come first, and the launch and the plan that follow them."""

    exports: tuple[Export, ...]
    launch: Launch
    models: tuple[Model, ...]
    """The versions of the launch that the store has already."""

    plan: Plan
    reading: MemoryReading
    requests: Exports = field(default_factory=lambda: NO_EXPORTS)
    """The exports by model and version."""

    image_steps: tuple[Step, ...] = ()
    """The steps that make the image of the servers, after the exports."""

    @property
    def plan_with_exports(self) -> Plan:
        """The plan with the exports and the steps of the image as its first steps."""
        return dataclasses.replace(self.plan, steps=(*self.exports, *self.image_steps, *self.plan.steps))


def preview_change(
    workspace: Workspace, options: ExportOptions, observed: Deployment | None, labelled: Deployment | None
) -> Preview:
    """Preview what a deploy of the workspace's spec would do. Raises what `deploy` raises before it starts anything.

    A stopped deployment keeps the labels of `labelled`, its last state; None if the command chooses the labels.
    """
    exports, resolved = preview_models(workspace, options)
    launch = resolve_with_labels(workspace, resolved, labelled)
    models = tuple(model for each in resolved for model in each.models)
    compatibility.check(models, workspace.engine.traits.tensorflow, workspace.spec.server.flags)
    reading = MemoryReading(workspace.engine, observed)
    plan = decide_plan(workspace, launch, models, reading)
    requests = _requests(workspace, options, exports)
    return Preview(exports, launch, models, plan, reading, requests, workspace.image_steps)


def preview_models(
    workspace: Workspace, options: ExportOptions
) -> tuple[tuple[Export, ...], tuple[ResolvedModel, ...]]:
    """Return the exports that come first, and the versions that would be served after them."""
    exports: list[Export] = []
    resolved = tuple(_preview_model(workspace, name, spec, options, exports) for name, spec in _models(workspace))
    return tuple(exports), resolved


def _requests(workspace: Workspace, options: ExportOptions, exports: Iterable[Export]) -> Exports:
    listed = workspace.spec.models
    return {
        (each.model, each.version): options.for_model(each.model, listed[each.model]).request(each.source)
        for each in exports
    }


def resolve_with_labels(
    workspace: Workspace, resolved: tuple[ResolvedModel, ...], observed: Deployment | None
) -> Launch:
    """Build the launch of resolved models, with the labels that they have in `observed` if that is stopped."""
    stopped = observed if observed and observed.stopped_component else None
    listed = workspace.spec.models
    served = tuple(keep_labels(each.served, listed[each.served.name], stopped) for each in resolved)
    with _token_options(workspace), name_origin(workspace):
        launch = resolve_launch(workspace.spec, workspace.engine, served)
    return dataclasses.replace(launch, image_tables=workspace.image_tables)


@contextmanager
def _token_options(workspace: Workspace) -> Iterator[None]:
    """Complete the hint to `deployer token` with the options that choose the file of the tokens."""
    try:
        yield
    except ConfigError as error:
        from deployer.engines.docker.gateway.tokens import CREATE_COMMAND

        options = f"{cli_name('', workspace.spec.env)}{workspace.settings.typed('config')}"
        error.hint = error.hint and error.hint.replace(CREATE_COMMAND, f"{CREATE_COMMAND}{options}")
        raise


def check_versions(workspace: Workspace, options: ExportOptions) -> None:
    """Refuse versions and labels of `deployer.toml` that will not exist once every source is exported.

    Raises ModelNotFound, ConfigError.
    """
    for name, spec in _models(workspace):
        if spec.source is None or spec.versions or spec.labels:
            _preview_model(workspace, name, spec, options, [])


def decide_plan(workspace: Workspace, launch: Launch, models: tuple[Model, ...], reading: MemoryReading) -> Plan:
    """Decide on the plan for a launch; where it starts a server, check that the engine can run it."""
    observed = reading.observed
    gate = workspace.spec.gate
    last = None if observed else gone.last_state(workspace, launch.name, launch.env)
    conditions = planning.Conditions(
        zero_downtime=workspace.engine.traits.zero_downtime,
        replicated=workspace.engine.traits.replicated,
        verify=not gate.skip,
        measure_rate=gate.measure_rate,
        max_failures=gate.max_failures,
        max_gap_ms=gate.max_gap_ms,
        files=run_dir.read_config(observed.directory) if observed else None,
        gone=last.models if last else (),
    )
    plan = planning.decide(launch, observed, conditions)
    if plan.change is Change.RELOAD:
        conditions = _reload_conditions(workspace, launch, models, reading, conditions)
        plan = planning.decide(launch, observed, conditions)
    if planning.starts_server(plan):
        check_platform(workspace)
        with name_origin(workspace):
            check_gpus(workspace.spec)
    contents = tuple(f"{model.name}:{model.version} {model.digest}" for model in models)
    return dataclasses.replace(planning.on_engine(plan, workspace.engine.traits), contents=contents)


def _reload_conditions(
    workspace: Workspace,
    launch: Launch,
    models: tuple[Model, ...],
    reading: MemoryReading,
    conditions: planning.Conditions,
) -> planning.Conditions:
    """Add the conditions that only a reload depends on, for they take time to find out."""
    observed = reading.observed
    if observed is None:
        return conditions
    memory = reading.memory if workspace.spec.gate.check_memory else None
    return dataclasses.replace(
        conditions,
        reload_obstacle=workspace.engine.preflight.reload(observed, launch.models),
        fits_three=memory is not None and fits_three(memory, observed, models),
        only_stored=reload.only_stored(reload.store_of(workspace, observed), launch.models),
    )


def _models(workspace: Workspace) -> tuple[tuple[str, ModelSpec], ...]:
    return tuple(workspace.spec.models.items())


def _preview_model(
    workspace: Workspace, name: str, spec: ModelSpec, options: ExportOptions, exports: list[Export]
) -> ResolvedModel:
    """Resolve a model to the versions that would be served; an export that comes first is added to `exports`."""
    with name_origin(workspace):
        return _resolve_model(workspace, name, spec, options, exports)


def _resolve_model(
    workspace: Workspace, name: str, spec: ModelSpec, options: ExportOptions, exports: list[Export]
) -> ResolvedModel:
    store = workspace.store
    options = options.for_model(name, spec)
    exported = None if spec.source is None else find_exported(store, spec.source, options)
    if isinstance(exported, NeededExport):
        require_tensorflow("an export")
        served = lost_versions.highest_served(workspace, name)
        version = options.version or next_version(store, name, spec.source or "", served=served)
        exports.append(Export(exported.cause, spec.source or "", name, version, exported.digest))
        return _after_export(version, store, name, spec, is_certain=exported.cause != ONLY_RUNNING_TELLS)
    models = tuple(get_version(store, name, version) for version in spec.versions)
    models = models or (exported or get_version(store, name),)
    check_batching(workspace.spec, models)
    return ResolvedModel(served_model(name, models, spec, store.versions(name)), models)


def _after_export(version: int, store: Store, name: str, spec: ModelSpec, *, is_certain: bool) -> ResolvedModel:
    """Resolve a model whose source will be exported as `version`.

    Where that is not certain, the export may find that a version of the store has the same content.
    """
    versions = tuple(sorted(set(spec.versions))) or (version,)
    stored = store.versions(name)
    for missing in sorted({*versions} - {*stored, version}):
        has = f"it has {', '.join(map(str, stored[-10:]))}" if stored else "it has none"
        raise ModelNotFound(
            f"model {name} has no version {missing}; {has}, and an export of {spec.source} makes {version}",
            model=name,
            version=missing,
            hint=f"list {version} under models.{name}.versions in deployer.toml, or leave versions out",
        )
    existing = (*stored, version)
    check_labels(name, versions if is_certain or spec.versions else (version, *stored), spec, existing)
    models = tuple(store.get(name, each) for each in versions if each in stored)
    if version not in versions:
        return ResolvedModel(served_model(name, models, spec, existing), models)
    return ResolvedModel(ServedModel(name, versions, tuple(sorted(spec.labels.items()))), models)
