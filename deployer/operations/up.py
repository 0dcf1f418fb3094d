"""`up`: deploy a source, a stored version, or what `deployer.toml` lists, to a verified endpoint."""

from __future__ import annotations

import dataclasses
from os import PathLike

from deployer.config.options import Settings
from deployer.results.changes import UpResult
from deployer.results.progress import Progress, no_progress
from deployer.rollout import addresses, image_copies, lost_versions
from deployer.rollout.change import deploy, expect_plan, preview
from deployer.rollout.desired import desired_spec, targeted_model
from deployer.rollout.export_options import ExportOptions
from deployer.rollout.preflight import check_before_export
from deployer.rollout.targets import as_text, is_image
from deployer.rollout.workspace import Workspace, open_workspace


def up(
    target: str | PathLike[str] | None = None,
    *,
    options: ExportOptions | None = None,
    settings: Settings | None = None,
    dry_run: bool = False,
    expect: str | None = None,
    progress: Progress = no_progress,
) -> UpResult:
    """Deploy `target`, and change nothing where it is deployed already.

    `target` is a source, which is exported first, `NAME[:VERSION]` from the store, or an image with the models inside,
    `REPOSITORY@sha256:...`; None stands for all models of `deployer.toml`. `expect` is the digest of a plan that was
    shown before: another plan is not executed. Where only running an export tells whether it makes a version, it may
    find its content in the store.

    Raises ConfigError, EngineConflict, ModelError, TemplateError, EngineError, NotReady, VerificationFailed, LockHeld
    or PlanOutdated; what served before then still serves.
    """
    options = options or ExportOptions()
    workspace = open_workspace(settings or Settings())
    text = None if target is None else as_text(target)
    if text is not None and is_image(text):
        from deployer.rollout import image_source, unpulled

        if dry_run and (pulls := unpulled.preview(workspace, text, options)):
            return pulls
        with image_source.opened(workspace, text, progress, options) as opened:
            return _up_image(opened, dry_run=dry_run, expect=expect, progress=progress)
    command = f"deployer {'plan' if dry_run else 'up'} {{}}{workspace.up_options}"
    with lost_versions.suggest_recovery(workspace, text, command):
        spec = desired_spec(workspace, text, options)
        workspace = workspace.with_spec(spec).for_deployment(spec.deployment)
        options = dataclasses.replace(options, name=targeted_model(workspace, text, options))
        options = options.for_batching(spec.batching)
        with addresses.suggest_free_port(workspace, addresses.OPTION_HINT):
            workspace = check_before_export(workspace, options, text)
            if workspace.engine.traits.in_image:
                return _up_built(workspace, options, dry_run=dry_run, expect=expect, progress=progress)
            if dry_run:
                return preview(workspace, options)
            result = deploy(workspace, options, progress, expected=expect_plan(workspace, options, expect))
    image_copies.remove_unused(workspace)
    return result


def _up_built(
    workspace: Workspace, options: ExportOptions, *, dry_run: bool, expect: str | None, progress: Progress
) -> UpResult:
    """Deploy an image that is built of the versions of the spec."""
    from deployer.rollout import image_change

    if dry_run:
        return image_change.preview(workspace, options)
    return image_change.up(workspace, options, progress, expect=expect)


def _up_image(workspace: Workspace, *, dry_run: bool, expect: str | None, progress: Progress) -> UpResult:
    """Deploy the image that the workspace was opened for."""
    options = ExportOptions()
    with addresses.suggest_free_port(workspace, addresses.OPTION_HINT):
        workspace = check_before_export(workspace, options)
        if dry_run:
            return preview(workspace, options)
        return deploy(workspace, options, progress, expected=expect_plan(workspace, options, expect))
