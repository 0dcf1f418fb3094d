"""The desired state of `up`: the spec with the models that a target selects."""

from __future__ import annotations

import dataclasses

from deployer.config.fields import option_name
from deployer.config.spec import ModelSpec, Spec
from deployer.errors import UsageError
from deployer.results.model import check_name
from deployer.rollout import source_changes
from deployer.rollout.export_options import ExportOptions
from deployer.rollout.targets import TO_DEPLOY, name_for, stored
from deployer.rollout.workspace import Workspace


def desired_spec(workspace: Workspace, target: str | None, options: ExportOptions, forms: str = TO_DEPLOY) -> Spec:
    """Return the spec with the models that `target` selects; None selects all of `deployer.toml`.

    `forms` says in errors what a target may be. Raises UsageError, SourceNotFound.
    """
    spec = workspace.spec
    if target is None:
        _refuse_export_options("deployer.toml", dataclasses.replace(options, force=False))
        if spec.models:
            return spec
        raise UsageError(
            "there is nothing to deploy: no target was given, and no deployer.toml lists models", hint=_HOW
        )
    selected = stored(target, workspace.store, forms)
    if selected:
        _refuse_export_options(target, options)
        if selected.version is None and selected.name == target:
            listed = spec.models.get(target, ModelSpec())
            source_changes.check_ambiguous(
                target, workspace.store, options.for_model(target, listed).for_batching(spec.batching)
            )
    name = check_name(selected.name if selected else name_for(target) if options.name is None else options.name)
    listed = spec.models.get(name, ModelSpec())
    model = _from_store(listed, selected.version) if selected else _from_source(listed, target, options)
    if name in spec.models:
        return dataclasses.replace(spec, models={**spec.models, name: model})
    return dataclasses.replace(spec, name=name, models={name: model})


_HOW = "deployer up SOURCE, deployer up NAME[:VERSION], or deployer init"


def _refuse_export_options(target: str, options: ExportOptions) -> None:
    """Refuse options for an export where the target is no source. Raises UsageError."""
    given = [field.name for field in dataclasses.fields(options) if getattr(options, field.name) != field.default]
    if given:
        raise UsageError(f"{_option(given[0])} goes with a source to export, not with {target}", hint=_HOW)


def _option(name: str) -> str:
    return "--signature NAME=..." if name == "signatures" else option_name(ExportOptions, name)


def _from_store(listed: ModelSpec, version: int | None) -> ModelSpec:
    return dataclasses.replace(listed, source=None, versions=() if version is None else (version,))


def _from_source(listed: ModelSpec, target: str, options: ExportOptions) -> ModelSpec:
    return dataclasses.replace(options.over(listed), source=target, versions=())
