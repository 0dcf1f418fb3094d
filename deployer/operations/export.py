"""`export`: export a source to a version in the store, with its golden answers."""

from __future__ import annotations

import dataclasses
from functools import partial
from os import PathLike

from deployer.config.options import Settings
from deployer.results.versions import ExportResult
from deployer.rollout import lost_versions
from deployer.rollout.export_options import ExportOptions
from deployer.rollout.exports import export_into
from deployer.rollout.targets import as_text, refuse_tag
from deployer.rollout.workspace import Progress, no_progress, open_workspace


def export(
    source: str | PathLike[str],
    *,
    options: ExportOptions | None = None,
    settings: Settings | None = None,
    progress: Progress = no_progress,
) -> ExportResult:
    """Export `source` as the next version of its model, unless a version has the same content.

    Raises ModelError, InvalidValue, ExtraMissing; then nothing is stored.
    """
    workspace = open_workspace(settings or Settings())
    options = (options or ExportOptions()).for_batching(workspace.spec.batching)
    text = as_text(source)
    refuse_tag(text, workspace.store)
    lost = lost_versions.served_without_files(workspace)
    result = export_into(workspace.store, text, options, progress, partial(lost_versions.highest_served, workspace))
    created = [(result.model.name, result.model.version)] if result.created else []
    unloads = lost_versions.unload_notices(lost, created)
    return dataclasses.replace(result, notices=(*result.notices, *unloads))
