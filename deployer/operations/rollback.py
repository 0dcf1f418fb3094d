"""`rollback`: return to an earlier release with the same files, verified again."""

from __future__ import annotations

import dataclasses
import shlex
from collections.abc import Collection, Iterator
from contextlib import suppress
from itertools import islice
from pathlib import Path

from deployer.config.options import Settings
from deployer.config.spec import Spec
from deployer.errors import BrokenModel, ModelError, ModelNotFound, NoSuchRelease
from deployer.results.changes import UpResult
from deployer.results.deployment import Deployment
from deployer.results.history import ROLLBACK, Outcome, Release
from deployer.results.plan import Change
from deployer.results.progress import Progress, no_progress
from deployer.results.served import ServedModel, format_models
from deployer.rollout import (
    image_copies,
    image_source,
    killed_releases,
    lookup,
    lost_versions,
    other_deployments,
    unpulled,
)
from deployer.rollout.change import change
from deployer.rollout.export_options import ExportOptions
from deployer.rollout.launch import spec_serving
from deployer.rollout.notices import reverts
from deployer.rollout.release_settings import IMAGE
from deployer.rollout.workspace import Workspace, open_workspace
from deployer.store.integrity import find_damage
from deployer.store.manifest import FOREIGN
from deployer.store.store import Store

MAX_LISTED = 10
"""How many releases a hint names."""


def rollback(
    name: str | None = None,
    *,
    to: int | None = None,
    settings: Settings | None = None,
    dry_run: bool = False,
    progress: Progress = no_progress,
) -> UpResult:
    """Serve the models, versions and labels of release `to`, by default of the last one with other models.

    After a rollback that was killed, its target is the default; after another change, the release before it. Flags,
    ports and resources stay as `deployer.toml` says. Breaking signatures are accepted, and named in `notices`.

    Raises DeploymentNotFound, NoSuchRelease, ModelNotFound, BrokenModel for a version whose files have changed since,
    and what `up` raises.
    """
    workspace = open_workspace(settings or Settings(), "rollback")
    deployed = lookup.find_or_gone(workspace, name)
    releases = workspace.ledger.releases(deployed.name, deployed.env, deployed.engine)
    try:
        release = select_release(releases, deployed, to, _killed_replacement(workspace, releases))
    except NoSuchRelease as error:
        error.hint = _other_releases_hint(workspace, releases, deployed)
        raise
    recorded = workspace.ledger.settings_of(release.number)
    if recorded is not None and recorded.in_image:
        result = _to_image(workspace, deployed, str(recorded.settings[IMAGE]), dry_run=dry_run, progress=progress)
    else:
        _check_release(workspace, releases, deployed, release, to)
        spec = spec_serving(workspace.spec, release.name, release.models)
        with lost_versions.suggest_recovery(workspace):
            result = _change(workspace, deployed, spec, dry_run=dry_run, progress=progress)
        image_copies.remove_unused(workspace)
    notice = f"this goes back to release {release.number} ({format_models(release.models)})"
    return dataclasses.replace(result, notices=(notice, *result.notices, *reverts.config_conflicts(workspace, result)))


def _to_image(workspace: Workspace, deployed: Deployment, image: str, *, dry_run: bool, progress: Progress) -> UpResult:
    """Serve an image with the models inside again."""
    if dry_run and (pulls := unpulled.preview(workspace, image, ExportOptions(name=deployed.name))):
        return pulls
    with image_source.opened(workspace, image, progress) as opened:
        spec = dataclasses.replace(opened.spec, name=deployed.name)
        return _change(opened, deployed, spec, dry_run=dry_run, progress=progress)


def _change(workspace: Workspace, deployed: Deployment, spec: Spec, *, dry_run: bool, progress: Progress) -> UpResult:
    spec = dataclasses.replace(spec, gate=dataclasses.replace(spec.gate, allow_breaking=True))
    return change(workspace, deployed, lambda _: spec, dry_run=dry_run, progress=progress, reason=ROLLBACK)


def _killed_replacement(workspace: Workspace, releases: tuple[Release, ...]) -> Release | None:
    """Return the newest release if it was killed when its server could take the requests of the old one."""
    newest = next(iter(releases), None)
    if newest is None or newest.change != Change.REPLACE.value:
        return None
    ledger, engine = workspace.ledger, workspace.for_deployment(newest.name).engine
    is_killed = killed_releases.is_killed(newest, engine)
    return newest if is_killed and ledger.may_take_requests(newest) else None


def select_release(
    releases: tuple[Release, ...], deployed: Deployment, to: int | None, killed: Release | None = None
) -> Release:
    """Return the release that a rollback returns to; `releases` are the newest first.

    `killed` is a replacement whose server may serve, too. Raises NoSuchRelease.
    """
    succeeded = _succeeded(releases)
    if to is None and releases and (releases[0].outcome, releases[0].detail) == (Outcome.UNDER_WAY, ROLLBACK):
        # The killed rollback was not accepted: its target is the release that was.
        return next((each for each in succeeded if each.models == releases[0].models), releases[0])
    may_serve = deployed.models if deployed.reloading_to is None else deployed.reloading_to
    may_serve = may_serve if killed is None else killed.models
    for each in succeeded:
        if each.models != may_serve if to is None else each.number == to:
            return each
    missing = f"successful release {to}" if to is not None else "successful release with other models"
    raise NoSuchRelease(f"the history of {deployed.name} [{deployed.env}] on {deployed.engine} has no {missing}")


def _succeeded(releases: tuple[Release, ...]) -> list[Release]:
    return [each for each in releases if each.outcome is Outcome.SUCCEEDED and each.change != Change.REMOVE.value]


def _check_release(
    workspace: Workspace, releases: tuple[Release, ...], deployed: Deployment, release: Release, to: int | None
) -> None:
    """Raise ModelError, with the next command to type, if a release cannot be served again from the store."""
    store, origin = workspace.store, _other_store(workspace, deployed, release)
    loaded = _loaded(workspace, deployed)
    for model in release.models:
        fault, missing = _fault(store, model, loaded), ", ".join(_missing(store, model))
        if fault and missing and origin:
            lost = next(filter(None, (_fault(origin, each, ()) for each in release.models)), None)
            fault = ModelNotFound(
                f"{missing} of release {release.number} is not in the store {store.root.resolve()}: "
                f"it was deployed from the store {origin.root}{f' ({lost.message})' if lost else ''}"
            )
            if lost is None:
                number = "" if to is None else f" --to {to}"
                directory = shlex.quote(str(origin.root))
                fault.hint = f"deployer rollback {workspace.cli_target(deployed.name)}{number} --models-dir {directory}"
                raise fault
        if fault:
            fault.hint = _alternatives(workspace, releases, deployed, model, origin or store)
            raise fault


def _other_store(workspace: Workspace, deployed: Deployment, release: Release) -> Store | None:
    """Return the store that a release was deployed from; None if it is that of the workspace, or unknown."""
    root = Path(release.store) if release.store else deployed.store
    return None if root in (None, workspace.spec.models_dir.resolve()) else Store(root)


def _other_releases_hint(workspace: Workspace, releases: tuple[Release, ...], deployed: Deployment) -> str:
    """Return the hint to the releases with other models; where there is none, to another version of the store."""
    succeeded = _succeeded(releases)
    others = [each for each in succeeded if each.models != deployed.models]
    if not others:
        equal = f"each release has {format_models(deployed.models)}" if succeeded else ""
        return "; ".join(filter(None, (equal, _redeploy_hint(workspace, deployed))))
    command = f"deployer rollback {workspace.cli_target(deployed.name)} --to {others[0].number}"
    effect = f"goes to {format_models(others[0].models)}"
    listed = ", ".join(f"{each.number} ({format_models(each.models)})" for each in succeeded[:MAX_LISTED])
    more = f" and {len(succeeded) - MAX_LISTED} more" if len(succeeded) > MAX_LISTED else ""
    return f"{command}{workspace.store_option} {effect}; the releases are: {listed}{more}"


def _redeploy_hint(workspace: Workspace, deployed: Deployment) -> str:
    """Return the hint to another version of the store, where the history has no release to return to.

    The history of a deployment from another directory is there.
    """
    if deployed.in_image:
        return "deployer up REPOSITORY@sha256:DIGEST deploys another image"
    if command := other_deployments.origin_command(workspace, deployed, "rollback"):
        store = deployed.store if deployed.store != workspace.spec.models_dir.resolve() else None
        option = f" --models-dir {shlex.quote(str(store))}" if store and not workspace.store_option else ""
        return f"{other_deployments.origin_note(workspace, deployed)}: {command}{option} has its history"
    target = workspace.cli_target(deployed.name)
    for served in deployed.models:
        others = [version for version in workspace.store.versions(served.name) if version not in served.versions]
        if others:
            option = f" --model {served.name}" if len(deployed.models) > 1 else ""
            versions = ", ".join(map(str, others))
            command = f"deployer redeploy {target}{option}{workspace.store_option} --version {others[-1]}"
            return f"{command} serves that version; other versions of {served.name} in the store: {versions}"
    lost = [served.name for served in deployed.models if not workspace.store.versions(served.name)]
    if lost:
        export = lost_versions.export_command(workspace, lost[0], deployed)
        return f"the store {workspace.spec.models_dir} has no version of {', '.join(lost)}: {export}"
    command = f"deployer versions{workspace.store_options}"
    return f"{command} shows what the store has: no other version than those that are served"


def _alternatives(
    workspace: Workspace, releases: tuple[Release, ...], deployed: Deployment, model: ServedModel, origin: Store
) -> str:
    """Return the hint for a release with a version that is lost or changed: another release, and an export."""
    store, loaded = workspace.store, _loaded(workspace, deployed)
    target = workspace.cli_target(deployed.name)
    others = (release for release in _succeeded(releases) if release.models != deployed.models)
    whole = (release for release in others if not any(_fault(store, each, loaded) for each in release.models))
    rollback = [
        f"deployer rollback {target} --to {each.number}{workspace.store_option} goes to {format_models(each.models)}"
        for each in islice(whole, 1)
    ]
    if not store.versions(model.name):
        hint = lost_versions.recovery_hint(workspace, model.name)
        return "; ".join((*rollback, hint or lost_versions.export_command(workspace, model.name, deployed)))
    source = f"{_former_source(origin, model)} --name {model.name}{workspace.up_options}"
    export = f"deployer up {source} --force"
    return "; ".join((*rollback, f"{export} exports {model.name} again and serves that"))


def _former_source(store: Store, model: ServedModel) -> str:
    """Return the source of the changed version if its manifest is unchanged, or the model's only source.

    `store` is the one that the version was deployed from.
    """
    for version, digest in zip(model.versions, model.digests, strict=True):
        with suppress(ModelError):
            stored = store.get(model.name, version)
            is_damaged = stored.digest == digest and find_damage(stored.path, every_file=True)
            if is_damaged and stored.source.kind != FOREIGN:
                return shlex.quote(stored.source.location)
    sources = {each.source.location for each in store.newest_first(model.name)}
    return shlex.quote(sources.pop()) if len(sources) == 1 else "SOURCE"


def _fault(store: Store, model: ServedModel, loaded: Collection[tuple[str, int]]) -> ModelError | None:
    """Return why versions cannot be served again; None if they can."""
    try:
        _check_files(store, model, loaded)
    except ModelError as error:
        return error
    return None


def _loaded(workspace: Workspace, deployed: Deployment) -> set[tuple[str, int]]:
    """Return the versions that the running server has loaded, and does not read again."""
    same_store = deployed.store in (None, workspace.spec.models_dir.resolve())
    models = deployed.models if deployed.running and same_store else ()
    return {(model.name, version) for model in models for version in model.versions}


def _missing(store: Store, model: ServedModel) -> Iterator[str]:
    """Yield NAME:VERSION of each version that is not in a store, or is another one of that number there."""
    for version, digest in zip(model.versions, model.digests, strict=True):
        try:
            if store.get(model.name, version).digest == digest:
                continue
        except ModelError:
            pass
        yield f"{model.name}:{version}"


def _check_files(store: Store, model: ServedModel, loaded: Collection[tuple[str, int]]) -> None:
    for version, digest in zip(model.versions, model.digests, strict=True):
        stored = store.get(model.name, version)
        is_read = (model.name, version) not in loaded
        if stored.digest != digest or (is_read and find_damage(stored.path, every_file=True)):
            raise BrokenModel(
                f"{model.name}:{version} is not what was deployed then: its files have changed",
            )
