"""What is to be deployed: the spec with just the models that a target means."""

from __future__ import annotations

import dataclasses

from deployer.config.spec import ModelSpec, Spec
from deployer.config.words import spelled
from deployer.errors import UsageError
from deployer.results.model import check_name
from deployer.rollout import source_changes
from deployer.rollout.export_options import ExportOptions
from deployer.rollout.targets import TO_DEPLOY, name_for, stored
from deployer.rollout.workspace import Workspace


def desired_spec(workspace: Workspace, target: str | None, options: ExportOptions, forms: str = TO_DEPLOY) -> Spec:
    """The spec with just the models that the target means, which has one of the `forms`. Raises UsageError when nothing
    is meant.
    """
    spec = workspace.spec
    if target is None:
        _refuse_export_options("deployer.toml", dataclasses.replace(options, force=False))
        if spec.models:
            return spec
        raise UsageError(
            "there is nothing to deploy: no target was given, and no deployer.toml lists models", hint=_HOW
        )
    known = stored(target, workspace.store, forms)
    if known:
        _refuse_export_options(target, options)
        if known.version is None and known.name == target:
            listed = spec.models.get(target, ModelSpec())
            source_changes.check_ambiguous(
                target, workspace.store, options.for_model(target, listed).for_batching(spec.batching)
            )
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
        raise UsageError(f"{_typed(given[0])} goes with a source to export, not with {target}", hint=_HOW)


def _typed(name: str) -> str:
    return "--signature NAME=..." if name == "signatures" else spelled(ExportOptions, name)


def _chosen(listed: ModelSpec, version: int | None) -> ModelSpec:
    return dataclasses.replace(listed, source=None, versions=() if version is None else (version,))


def _from_source(listed: ModelSpec, target: str, options: ExportOptions) -> ModelSpec:
    return dataclasses.replace(options.over(listed), source=target, versions=())
