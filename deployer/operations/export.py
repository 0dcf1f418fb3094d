"""`export`: export a source to a version in the store, with its golden answers."""

from __future__ import annotations

from functools import partial
from os import PathLike

from deployer.config.options import Settings
from deployer.results.versions import ExportResult
from deployer.rollout.export_options import ExportOptions
from deployer.rollout.exports import export_into
from deployer.rollout.lost_versions import highest_served
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
    return export_into(workspace.store, text, options, progress, partial(highest_served, workspace))
