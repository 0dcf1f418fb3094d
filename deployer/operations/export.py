"""`export`: export a source to a version in the store, with its golden answers."""

from __future__ import annotations

import dataclasses
from functools import partial
from os import PathLike

from deployer.config.options import Settings
from deployer.results.progress import Progress, no_progress
from deployer.results.versions import ExportResult
from deployer.rollout import lost_versions
from deployer.rollout.export_options import ExportOptions
from deployer.rollout.exports import export_into
from deployer.rollout.targets import as_text, name_for, refuse_tag
from deployer.rollout.workspace import Workspace, open_workspace


def export(
    source: str | PathLike[str],
    *,
    options: ExportOptions | None = None,
    settings: Settings | None = None,
    progress: Progress = no_progress,
) -> ExportResult:
    """Export `source` as the next version of its model, unless a version has the same content.

    The options are over those that `deployer.toml` lists for the model, as with `up`.

    Raises ModelError, InvalidValue, ExtraMissing; then nothing is stored.
    """
    workspace = open_workspace(settings or Settings())
    text = as_text(source)
    refuse_tag(text, workspace.store)
    options = _over_listed(workspace, text, options or ExportOptions()).for_batching(workspace.spec.batching)
    unloaded = tuple(lost_versions.unloaded_notices(workspace))
    lost = lost_versions.served_without_files(workspace)
    result = export_into(workspace.store, text, options, progress, partial(lost_versions.highest_served, workspace))
    created = [(result.model.name, result.model.version)] if result.created else []
    unloads = lost_versions.unload_notices(lost, created)
    return dataclasses.replace(result, notices=(*result.notices, *unloaded, *unloads))


def _over_listed(workspace: Workspace, source: str, options: ExportOptions) -> ExportOptions:
    """Return the options over those of the model in `deployer.toml`, so that `up` finds the same version."""
    name = name_for(source) if options.name is None else options.name
    listed = workspace.spec.models.get(name)
    return options if listed is None else options.for_model(name, options.over(listed))
