"""`up`: from a source, a stored model or `deployer.toml` to a proven endpoint. Run again, it changes nothing."""

from __future__ import annotations

from os import PathLike

from deployer.config.options import Settings
from deployer.results.changes import UpResult
from deployer.rollout import addresses, lost_versions, preflight
from deployer.rollout.change import deploy, expected_plan, preview
from deployer.rollout.desired import desired_spec
from deployer.rollout.export_options import ExportOptions
from deployer.rollout.launch import check_container_options, check_flags
from deployer.rollout.preflight import check_platform, check_sources
from deployer.rollout.targets import as_text
from deployer.rollout.workspace import Progress, Workspace, no_progress, open_workspace


def up(  # noqa: PLR0913 - the options of a verb, by their names
    target: str | PathLike[str] | None = None,
    *,
    options: ExportOptions | None = None,
    settings: Settings | None = None,
    dry_run: bool = False,
    expect: str | None = None,
    progress: Progress = no_progress,
) -> UpResult:
    """Deploy `target`: a source (exported first), `NAME[:VERSION]` from the store, or all that `deployer.toml` says.

    Raises ConfigError, EngineConflict, ModelError, TemplateError, EngineError, NotReady, VerificationFailed, LockHeld;
    whatever served before then still serves. `expect` is the digest of a plan that was shown: PlanOutdated when another
    would be carried out.
    """
    options = options or ExportOptions()
    workspace = open_workspace(settings or Settings())
    text = None if target is None else as_text(target)
    with lost_versions.suggest_recovery(workspace, text):
        return _up(workspace, text, options, dry_run=dry_run, expect=expect, progress=progress)


def _up(  # noqa: PLR0913 - the options of a verb, by their names
    workspace: Workspace,
    target: str | None,
    options: ExportOptions,
    *,
    dry_run: bool,
    expect: str | None,
    progress: Progress,
) -> UpResult:
    spec = desired_spec(workspace, target, options)
    workspace = workspace.with_spec(spec).for_deployment(spec.deployment)
    check_flags(spec, workspace.engine)
    check_container_options(workspace.settings, workspace.engine)
    workspace = preflight.check_other_engines(workspace, spec.deployment)
    options = options.for_batching(spec.batching)
    with addresses.suggest_free_port(spec.server, addresses.OPTION_HINT):
        if any(model.source is not None for model in spec.models.values()):
            check_sources(spec, options)
            check_platform(workspace)  # an export takes its time: what cannot be had in the end is told before
        if dry_run:
            return preview(workspace, options)
        return deploy(workspace, options, progress, expected=expected_plan(workspace, options, expect))
