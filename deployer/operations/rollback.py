"""`rollback`: back to a release that was good, with the same bytes, through the same gate."""

from __future__ import annotations

import dataclasses
from collections.abc import Collection

from deployer.deployment import Change, Deployment, ServedModel, listed
from deployer.errors import BrokenModel, NoSuchRelease
from deployer.manifest import digest_of_files
from deployer.operations.launching import as_served
from deployer.operations.up import change
from deployer.operations.workspace import Progress, Settings, open_workspace, silent
from deployer.report.changes import UpResult
from deployer.report.history import Outcome, Release
from deployer.store import Store

AIM = "rollback"
"""What the history says of a release that goes back, while it is under way."""


def rollback(
    name: str | None = None,
    *,
    to: int | None = None,
    settings: Settings | None = None,
    dry_run: bool = False,
    progress: Progress = silent,
) -> UpResult:
    """Serve the models, versions and labels of release `to`, or of the last good release that served others; after a
    rollback that was killed, of the one that it meant. Releases of the deployment's own engine count, no others.

    Flags, ports and resources stay as `deployer.toml` says; signatures may be any: clients knew them. Raises
    NothingDeployed, NoSuchRelease, NoSuchModel, BrokenModel for a version whose files are others than were deployed
    then, and all that `up` raises.
    """
    workspace = open_workspace(settings or Settings())
    deployed = workspace.deployed(name)
    wanted = target(workspace.ledger.releases(deployed.name, deployed.env, deployed.engine), deployed, to)
    loaded = _loaded(deployed)
    for model in wanted.models:
        _check_bytes(workspace.store, model, loaded)
    spec = as_served(workspace.spec, wanted.name, wanted.models)
    spec = dataclasses.replace(spec, gate=dataclasses.replace(spec.gate, allow_breaking=True))
    return change(workspace, deployed, lambda _: spec, dry_run=dry_run, progress=progress, aim=AIM)


def target(releases: tuple[Release, ...], deployed: Deployment, to: int | None) -> Release:
    """The release that is meant by `to`, of `releases`, the newest first. Raises NoSuchRelease."""
    if to is None and releases and (releases[0].outcome, releases[0].detail) == (Outcome.UNDER_WAY, AIM):
        return releases[0]
    good = [found for found in releases if found.outcome is Outcome.GOOD and found.change != Change.REMOVE.value]
    wanted = [found for found in good if (found.models != deployed.models if to is None else found.number == to)]
    if wanted:
        return wanted[0]
    there = ", ".join(f"{found.number} ({listed(found.models)})" for found in good)
    what = f"good release {to}" if to is not None else "good release with other models"
    raise NoSuchRelease(
        f"the history of {deployed.name} [{deployed.env}] on {deployed.engine} has no {what}",
        hint=f"there is: {there}" if there else "deployer history shows what there is",
    )


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
                hint="export that model again as a new version, and deploy it",
            )
