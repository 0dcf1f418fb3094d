"""What a deploy would do: the exports that come first, what is to serve then, and the plan for that."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass

from deployer.config.spec import ModelSpec
from deployer.engines import loading
from deployer.errors import ModelNotFound
from deployer.results.deployment import Deployment, Launch, ResolvedModel, ServedModel
from deployer.results.model import Model
from deployer.results.plan import Change, Export, Plan, Step
from deployer.rollout import lost_versions, reload
from deployer.rollout import memory as memory_checks
from deployer.rollout import plan as planning
from deployer.rollout.export_options import ExportOptions
from deployer.rollout.exports import ONLY_RUNNING_TELLS, find_exported
from deployer.rollout.launch import check_batching, check_labels, get_version, resolve_launch, served_model
from deployer.rollout.preflight import check_platform
from deployer.rollout.targets import next_version
from deployer.rollout.workspace import Workspace
from deployer.store.store import Store


@dataclass(frozen=True)
class Preview:
    """`models` are the versions of the launch that the store has already; `plan` is what follows the exports."""

    exports: tuple[Step, ...]
    launch: Launch
    models: tuple[Model, ...]
    plan: Plan

    @property
    def with_exports(self) -> Plan:
        """The plan with the exports as its first steps."""
        return dataclasses.replace(self.plan, steps=(*self.exports, *self.plan.steps))


def preview_change(workspace: Workspace, options: ExportOptions, observed: Deployment | None) -> Preview:
    """What would be done about the workspace's spec. Raises what deciding about it raises."""
    exports: list[Step] = []
    wanted = tuple(_foreseen(workspace, name, spec, options, exports) for name, spec in workspace.spec.models.items())
    request = resolve_launch(workspace.spec, workspace.engine, tuple(found.served for found in wanted))
    models = tuple(model for found in wanted for model in found.models)
    loading.check(models, workspace.engine.traits.tensorflow, workspace.spec.server.flags)
    return Preview(tuple(exports), request, models, decide_plan(workspace, request, models, observed))


def check_versions(workspace: Workspace, options: ExportOptions) -> None:
    """Refuse versions and labels of `deployer.toml` that there will not be once every source is exported.

    Raises ModelNotFound, ConfigError.
    """
    for name, spec in workspace.spec.models.items():
        if spec.source is None or spec.versions or spec.labels:
            _foreseen(workspace, name, spec, options, [])


def _foreseen(
    workspace: Workspace, name: str, spec: ModelSpec, options: ExportOptions, steps: list[Step]
) -> ResolvedModel:
    """What would be served of a model; an export that would come first is added to `steps`."""
    store = workspace.store
    found = None if spec.source is None else find_exported(store, spec.source, options.for_model(name, spec))
    if isinstance(found, str):
        version = options.version or next_version(
            store, name, spec.source or "", served=lost_versions.highest_served(workspace, name)
        )
        steps.append(Export(found, spec.source or "", name, version))
        return _exported_as(version, store, name, spec, is_certain=found != ONLY_RUNNING_TELLS)
    models = tuple(get_version(store, name, version) for version in spec.versions) or (
        found or get_version(store, name),
    )
    check_batching(workspace.spec, models)
    return ResolvedModel(served_model(name, models, spec), models)


def _exported_as(version: int, store: Store, name: str, spec: ModelSpec, *, is_certain: bool) -> ResolvedModel:
    """What would be served of a model once its source is exported. Where that is not certain, the source may turn out
    to be what a version of the store holds.
    """
    versions = tuple(sorted(set(spec.versions))) or (version,)
    there = store.versions(name)
    for missing in sorted({*versions} - {*there, version}):
        has = f"it has {', '.join(map(str, there[-10:]))}" if there else "it has none"
        raise ModelNotFound(
            f"model {name} has no version {missing}; {has}, and an export of {spec.source} makes {version}",
            model=name,
            version=missing,
            hint=f"list {version} under models.{name}.versions in deployer.toml, or leave versions out",
        )
    check_labels(name, versions if is_certain or spec.versions else (version, *there), spec)
    models = tuple(store.get(name, each) for each in versions if each in there)
    if version not in versions:
        return ResolvedModel(served_model(name, models, spec), models)
    return ResolvedModel(ServedModel(name, versions, tuple(sorted(spec.labels.items()))), models)


def decide_plan(workspace: Workspace, request: Launch, models: tuple[Model, ...], observed: Deployment | None) -> Plan:
    """What will be done, on an engine that is fit for it."""
    gate = workspace.spec.gate
    conditions = planning.Conditions(
        zero_downtime=workspace.engine.traits.zero_downtime, verify=not gate.skip, measure=gate.measure_rate is not None
    )
    plan = planning.decide(request, observed, conditions)
    if plan.change is Change.RELOAD and observed is not None:
        plan = planning.decide(request, observed, _looked_closer(workspace, request, models, observed, conditions))
    if planning.starts_server(plan):
        check_platform(workspace)
    return plan


def _looked_closer(
    workspace: Workspace,
    request: Launch,
    models: tuple[Model, ...],
    observed: Deployment,
    conditions: planning.Conditions,
) -> planning.Conditions:
    """What only a reload depends on, for finding it out takes a moment."""
    engine, spec = workspace.engine, workspace.spec
    memory = engine.memory(observed) if spec.gate.check_memory else None
    return dataclasses.replace(
        conditions,
        reload_obstacle=engine.preflight.reload(observed, request.models),
        fits_three=memory is not None and memory_checks.fits_three(memory, observed, models),
        only_stored=reload.in_store(reload.store_of(workspace, observed), request.models),
    )
