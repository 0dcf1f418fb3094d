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

HINT = "deployer up SOURCE, deployer up NAME[:VERSION], or deployer init"


def desired_spec(workspace: Workspace, target: str | None, options: ExportOptions, forms: str = TO_DEPLOY) -> Spec:
    """Return the spec with the models that `target` selects; None selects all of `deployer.toml`.

    `forms` says in errors what a target may be. Raises UsageError, SourceNotFound.
    """
    spec = workspace.spec
    if target is None:
        return _listed_models(spec, options)
    version = stored(target, workspace.store, forms)
    if version is None:
        name = check_name(name_for(target) if options.name is None else options.name)
        listed = spec.models.get(name, ModelSpec())
        return _with_model(spec, name, dataclasses.replace(options.over(listed), source=target, versions=()))
    _refuse_export_options(target, options)
    name = check_name(version.name)
    listed = spec.models.get(name, ModelSpec())
    if version.version is None and name == target:
        defaults = options.for_model(name, listed).for_batching(spec.batching)
        source_changes.check_ambiguous(name, workspace.store, defaults, workspace.up_options)
    versions = () if version.version is None else (version.version,)
    return _with_model(spec, name, dataclasses.replace(listed, source=None, versions=versions))


def targeted_model(workspace: Workspace, target: str | None, options: ExportOptions) -> str | None:
    """Return the model that `target` names or is exported as; None if it selects all of `deployer.toml`."""
    if target is None:
        return None
    version = stored(target, workspace.store)
    return check_name(version.name if version else name_for(target) if options.name is None else options.name)


def _listed_models(spec: Spec, options: ExportOptions) -> Spec:
    _refuse_export_options("deployer.toml", dataclasses.replace(options, force=False))
    if spec.models:
        return spec
    raise UsageError("there is nothing to deploy: no target was given, and no deployer.toml lists models", hint=HINT)


def _with_model(spec: Spec, name: str, model: ModelSpec) -> Spec:
    """Return the spec with a model in its place among the listed ones, or as the only one of a deployment."""
    if name in spec.models:
        return dataclasses.replace(spec, models={**spec.models, name: model})
    return dataclasses.replace(spec, name=name, models={name: model})


def _refuse_export_options(target: str, options: ExportOptions) -> None:
    """Refuse options for an export where the target is no source. Raises UsageError."""
    given = [field.name for field in dataclasses.fields(options) if getattr(options, field.name) != field.default]
    if given:
        raise UsageError(f"{_option(given[0])} goes with a source to export, not with {target}", hint=HINT)


def _option(name: str) -> str:
    return "--signature NAME=..." if name == "signatures" else option_name(ExportOptions, name)
