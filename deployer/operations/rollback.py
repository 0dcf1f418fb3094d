"""`rollback`: back to a release that was good, with the same bytes, proven again; signatures may break clients."""

from __future__ import annotations

import dataclasses
import shlex
from collections.abc import Collection
from contextlib import suppress
from itertools import islice

from deployer.config.options import Settings
from deployer.errors import BrokenModel, ModelError, NoSuchRelease
from deployer.results.changes import UpResult
from deployer.results.deployment import Deployment, ServedModel, format_models
from deployer.results.history import ROLLBACK, Outcome, Release
from deployer.results.plan import Change
from deployer.rollout import lost_versions
from deployer.rollout.change import change
from deployer.rollout.launch import spec_serving
from deployer.rollout.notices import reverts
from deployer.rollout.workspace import Progress, Workspace, no_progress, open_workspace
from deployer.store.manifest import FOREIGN, digest_of_files
from deployer.store.store import Store


def rollback(
    name: str | None = None,
    *,
    to: int | None = None,
    settings: Settings | None = None,
    dry_run: bool = False,
    progress: Progress = no_progress,
) -> UpResult:
    """Serve the models, versions and labels of release `to`, or of the last good release that served others; after a
    rollback that was killed, of the one that it meant. Releases of the deployment's own engine count, no others.

    Flags, ports and resources stay as `deployer.toml` says; signatures may be any, and `notices` name what
    clients lose by them. Raises DeploymentNotFound, NoSuchRelease, ModelNotFound, BrokenModel for a version whose
    files are others than were deployed then, and all that `up` raises.
    """
    workspace = open_workspace(settings or Settings())
    deployed = workspace.deployment(name)
    releases = workspace.ledger.releases(deployed.name, deployed.env, deployed.engine)
    try:
        wanted = target(releases, deployed, to)
    except NoSuchRelease as error:
        error.hint = error.hint if _good(releases) else _other_versions(workspace, deployed)
        raise
    loaded = _loaded(deployed)
    for model in wanted.models:
        if fault := _fault(workspace.store, model, loaded):
            fault.hint = _other_ways(workspace, releases, deployed, model)
            raise fault
    spec = spec_serving(workspace.spec, wanted.name, wanted.models)
    spec = dataclasses.replace(spec, gate=dataclasses.replace(spec.gate, allow_breaking=True))
    with lost_versions.suggest_recovery(workspace):
        result = change(workspace, deployed, lambda _: spec, dry_run=dry_run, progress=progress, reason=ROLLBACK)
    back = f"this goes back to release {wanted.number} ({format_models(wanted.models)})"
    return dataclasses.replace(result, notices=(back, *result.notices, *reverts.config_conflicts(workspace, result)))


def target(releases: tuple[Release, ...], deployed: Deployment, to: int | None) -> Release:
    """The release that is meant by `to`, of `releases`, the newest first. Raises NoSuchRelease."""
    if to is None and releases and (releases[0].outcome, releases[0].detail) == (Outcome.UNDER_WAY, ROLLBACK):
        return releases[0]
    good = _good(releases)
    wanted = [found for found in good if (found.models != deployed.models if to is None else found.number == to)]
    if wanted:
        return wanted[0]
    there = ", ".join(f"{found.number} ({format_models(found.models)})" for found in good)
    what = f"good release {to}" if to is not None else "good release with other models"
    raise NoSuchRelease(
        f"the history of {deployed.name} [{deployed.env}] on {deployed.engine} has no {what}",
        hint=f"there is: {there}" if there else None,
    )


def _good(releases: tuple[Release, ...]) -> list[Release]:
    return [found for found in releases if found.outcome is Outcome.SUCCEEDED and found.change != Change.REMOVE.value]


def _other_versions(workspace: Workspace, deployed: Deployment) -> str:
    """What to type where no release is written down to go back to: another version that the store has."""
    where = workspace.cli_target(deployed.name)
    for served in deployed.models:
        others = [version for version in workspace.store.versions(served.name) if version not in served.versions]
        if others:
            which = f" --model {served.name}" if len(deployed.models) > 1 else ""
            there = ", ".join(map(str, others))
            again = f"deployer redeploy {where}{which}{workspace.store_option} --version {others[-1]}"
            return f"{again} serves that version; the store has of {served.name} beside what is served: {there}"
    return "deployer versions shows what the store has: no other version than those that are served"


def _other_ways(workspace: Workspace, releases: tuple[Release, ...], deployed: Deployment, model: ServedModel) -> str:
    """What to type where a version of the release is not what it was, or is gone: another release that can be had, and
    an export of the model.
    """
    store, loaded = workspace.store, _loaded(deployed)
    where = workspace.cli_target(deployed.name)
    others = (found for found in _good(releases) if found.models != deployed.models)
    whole = (found for found in others if not any(_fault(store, each, loaded) for each in found.models))
    back = [f"deployer rollback {where} --to {it.number} goes to {format_models(it.models)}" for it in islice(whole, 1)]
    if not store.versions(model.name):
        hint = lost_versions.recovery_hint(workspace, model.name)
        return "; ".join((*back, hint or lost_versions.export_command(workspace, model.name, deployed)))
    export = f"deployer up {_source_then(store, model)} --name {model.name} --force{workspace.store_option}"
    return "; ".join((*back, f"{export} exports {model.name} again and serves that"))


def _source_then(store: Store, model: ServedModel) -> str:
    """The source of the version that is not what was deployed then, where its manifest is still the one of then;
    otherwise the only source that the model has in the store.
    """
    for version, digest in zip(model.versions, model.digests, strict=True):
        with suppress(ModelError):
            found = store.get(model.name, version)
            is_damaged = found.digest == digest and digest_of_files(found.path) != digest
            if is_damaged and found.source.kind != FOREIGN:
                return shlex.quote(found.source.location)
    places = {found.source.location for found in store.newest_first(model.name)}
    return shlex.quote(places.pop()) if len(places) == 1 else "SOURCE"


def _fault(store: Store, model: ServedModel, loaded: Collection[tuple[str, int]]) -> ModelError | None:
    """Why versions that were served cannot be served again; None where they can."""
    try:
        _check_bytes(store, model, loaded)
    except ModelError as error:
        return error
    return None


def _loaded(deployed: Deployment) -> set[tuple[str, int]]:
    """What the server has read, and will not read again."""
    models = deployed.models if deployed.running else ()
    return {(model.name, version) for model in models for version in model.versions}


def _check_bytes(store: Store, model: ServedModel, loaded: Collection[tuple[str, int]]) -> None:
    for version, digest in zip(model.versions, model.digests, strict=True):
        found = store.get(model.name, version)
        is_read = (model.name, version) not in loaded
        if found.digest != digest or (is_read and digest_of_files(found.path) != digest):
            raise BrokenModel(
                f"{model.name}:{version} is not what was deployed then: its files have changed",
            )
