"""`redeploy` and `label`: replace the version of a model in a deployment, or point its labels elsewhere."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator

from deployer.config.options import Settings
from deployer.config.spec import Spec
from deployer.errors import DeployFailed, ModelError, NotReady, UsageError, VerificationFailed
from deployer.results.changes import UpResult
from deployer.results.deployment import Deployment
from deployer.results.history import LABEL, REDEPLOY
from deployer.results.progress import Progress, no_progress
from deployer.results.served import ServedModel
from deployer.rollout import image_change, image_source, lookup, lost_versions, served_models, source_changes, unpulled
from deployer.rollout.change import change
from deployer.rollout.export_options import ExportOptions
from deployer.rollout.launch import spec_serving
from deployer.rollout.notices import reverts
from deployer.rollout.workspace import Workspace, open_workspace
from deployer.store.integrity import find_damage
from deployer.store.store import Store


def redeploy(
    name: str | None = None,
    *,
    version: int | None = None,
    model: str | None = None,
    keep_previous: bool = False,
    settings: Settings | None = None,
    dry_run: bool = False,
    progress: Progress = no_progress,
) -> UpResult:
    """Serve `version` of `model` in the place of the current one; by default the newest version of every model.

    The current version is the one labelled `stable`, otherwise the highest. Its labels move to the new one; versions
    that other labels point to stay. With `keep_previous` it stays loaded, too, so that a rollback is immediate.
    Requests without a version go to the highest one: a higher one than `version` is unloaded unless a label points to
    it.

    Raises DeploymentNotFound, ModelNotFound, UsageError if the version to keep is the higher one, and what `up` raises.
    """
    workspace = open_workspace(settings or Settings(), "redeploy")

    def desired(deployed: Deployment) -> Spec:
        models = deployed.models
        for served in _selected(deployed, model, version):
            to = workspace.store.get(served.name, version).version
            models = served_models.replace_model(
                models, _replace_version(served, to, keep_previous, only_newest=version is None)
            )
        return spec_serving(workspace.spec, deployed.name, models)

    deployed = lookup.find_to_change(workspace, name)
    if deployed.in_image and not image_change.builds(workspace, deployed):
        return _same_image(workspace, deployed, version, model, dry_run=dry_run, progress=progress)
    try:
        with lost_versions.suggest_recovery(workspace):
            result = image_change.change(
                workspace, deployed, desired, dry_run=dry_run, progress=progress, reason=REDEPLOY
            )
    except (DeployFailed, VerificationFailed, ModelError, NotReady) as error:
        if version is None:
            error.hint = "; ".join(filter(None, (error.hint, _other_version_hint(workspace, deployed, model))))
        raise
    result = dataclasses.replace(result, notices=(*result.notices, *reverts.config_conflicts(workspace, result)))
    if version is not None:
        return dataclasses.replace(result, notices=(*result.notices, *_higher_versions(result, version, model)))
    options = ExportOptions().for_batching(workspace.spec.batching)
    served = _selected(deployed, model, None)
    names = (each.name for each in served)
    changed = source_changes.notices(names, workspace.store, options, workspace.up_options)
    return dataclasses.replace(result, notices=(*_skipped_versions(workspace.store, served), *result.notices, *changed))


def _same_image(
    workspace: Workspace,
    deployed: Deployment,
    version: int | None,
    model: str | None,
    *,
    dry_run: bool,
    progress: Progress,
) -> UpResult:
    """Serve the image of a deployment that has its versions inside, again. Raises UsageError for another version."""
    if version is not None or model is not None:
        image_source.refuse_change(deployed, "redeploy --version" if model is None else "redeploy --model")
    reference = deployed.image_reference
    if dry_run and (pulls := unpulled.preview(workspace, reference, ExportOptions(name=deployed.name))):
        return pulls
    with image_source.opened(workspace, reference, progress) as opened:
        spec = dataclasses.replace(opened.spec, name=deployed.name)
        return change(opened, deployed, lambda _: spec, dry_run=dry_run, progress=progress, reason=REDEPLOY)


def label(
    name: str | None = None,
    labels: dict[str, int | None] | None = None,
    *,
    model: str | None = None,
    settings: Settings | None = None,
    dry_run: bool = False,
    progress: Progress = no_progress,
) -> UpResult:
    """Point labels to versions, which are loaded and verified first; None removes a label.

    Requests without version or label go to the highest loaded version, whatever its labels. Raises UsageError,
    DeploymentNotFound, and what `up` raises.
    """
    if not labels:
        raise UsageError("no label was given", hint="deployer label NAME canary=7, or canary= to remove it")
    workspace = open_workspace(settings or Settings())

    def desired(deployed: Deployment) -> Spec:
        changed = served_models.set_labels(lookup.select_model(deployed, model), labels)
        return spec_serving(workspace.spec, deployed.name, served_models.replace_model(deployed.models, changed))

    deployed = lookup.find_to_change(workspace, name)
    if not image_change.builds(workspace, deployed):
        image_source.refuse_change(deployed, "label")
    with lost_versions.suggest_recovery(workspace):
        result = image_change.change(workspace, deployed, desired, dry_run=dry_run, progress=progress, reason=LABEL)
    return dataclasses.replace(result, notices=(*result.notices, *reverts.config_conflicts(workspace, result)))


def _other_version_hint(workspace: Workspace, deployed: Deployment, model: str | None) -> str:
    """Return the hint to another version than the newest, which was refused; empty without one."""
    for served in _selected(deployed, model, None):
        versions, current = workspace.store.versions(served.name), served_models.current_version(served)
        others = versions[:-1]
        if not others or current == versions[-1]:
            continue
        target = f"{workspace.cli_target(deployed.name)}{workspace.store_option}"
        option = f" --model {served.name}" if len(deployed.models) > 1 else ""
        stay = "stays with what serves" if deployed.running else "starts what was deployed last"
        other, effect = (current, stay) if current in others else (others[-1], "takes another")
        if not _are_whole(workspace.store, served_models.replace_model(deployed.models, _only(served, other))):
            continue
        command = f"deployer redeploy {target}{option} --version {other}"
        return f"without --version the newest is taken, {served.name}:{versions[-1]}: {command} {effect}"
    return ""


def _only(served: ServedModel, version: int) -> ServedModel:
    """Return a model as `redeploy --version` would serve it."""
    return _replace_version(served, version, keep=False, only_newest=False)


def _are_whole(store: Store, models: tuple[ServedModel, ...]) -> bool:
    """Return whether the store has every version of these models, undamaged."""
    try:
        stored = [store.get(each.name, version) for each in models for version in each.versions]
    except ModelError:
        return False
    return not any(find_damage(version.path) for version in stored)


def _skipped_versions(store: Store, selected: tuple[ServedModel, ...]) -> Iterator[str]:
    """Yield a notice for each model of which several versions are newer than the one that served."""
    for served in selected:
        newer = [version for version in store.versions(served.name) if version > served_models.current_version(served)]
        if len(newer) > 1:
            skipped = ", ".join(map(str, newer[:-1][-5:]))
            yield f"without --version the newest was taken, {served.name}:{newer[-1]}, and {skipped} passed over"


def _replace_version(served: ServedModel, to: int, keep: bool, *, only_newest: bool) -> ServedModel:
    current = served_models.current_version(served)
    lowered = served if only_newest else served_models.unload_higher(served, to)
    if keep and (to < current or (to == current and lowered != served)):
        highest = current if to < current else max(served.versions)
        raise UsageError(
            f"{served.name}:{highest} cannot stay loaded with {to}: requests without a version go to the highest",
            hint="leave --keep-previous out",
        )
    return lowered if to == current else served_models.replace_version(served, to, keep=keep)


def _higher_versions(result: UpResult, version: int, model: str | None) -> Iterator[str]:
    """Yield a notice if requests without a version go to a higher one, which a label keeps."""
    for served in result.models:
        highest = max(served.versions)
        if version in served.versions and highest > version and model in (None, served.name):
            labels = " and ".join(label for label, to in served.labels if to == highest)
            yield f"requests without a version go to {served.name}:{highest}, which stays for label {labels}"


def _selected(deployed: Deployment, model: str | None, version: int | None) -> tuple[ServedModel, ...]:
    if model is None and version is None:
        return deployed.models
    return (lookup.select_model(deployed, model),)
