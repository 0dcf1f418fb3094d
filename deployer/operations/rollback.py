"""`rollback`: back to a release that was good, with the same bytes, through the same gate."""

from __future__ import annotations

import dataclasses

from deployer.deployment import Change, Deployment, ServedModel, listed
from deployer.errors import BrokenModel, NoSuchRelease
from deployer.operations.export import ExportOptions
from deployer.operations.up import check_platform, deploy, preview
from deployer.operations.workspace import Progress, Settings, open_workspace, silent
from deployer.report import Outcome, Release, UpResult
from deployer.spec import ModelSpec, Spec
from deployer.store import Store


def rollback(
    name: str | None = None,
    *,
    to: int | None = None,
    settings: Settings | None = None,
    dry_run: bool = False,
    progress: Progress = silent,
) -> UpResult:
    """Serve the models, versions and labels of release `to`, or of the last good release that served others.

    Flags, ports and resources stay as `deployer.toml` says. Raises NothingDeployed, NoSuchRelease, NoSuchModel,
    BrokenModel for a version whose files are others than were deployed then, and all that `up` raises.
    """
    workspace = open_workspace(settings or Settings())
    deployed = workspace.deployed(name)
    target = _target(workspace.ledger.releases(deployed.name, deployed.env), deployed, to)
    for model in target.models:
        _check_bytes(workspace.store, model)
    workspace = dataclasses.replace(workspace, spec=_as_it_was(workspace.spec, target)).narrowed(deployed.name)
    check_platform(workspace)
    options = ExportOptions()
    return preview(workspace, options) if dry_run else deploy(workspace, options, progress)


def _target(releases: tuple[Release, ...], deployed: Deployment, to: int | None) -> Release:
    good = [found for found in releases if found.outcome is Outcome.GOOD and found.change != Change.REMOVE.value]
    wanted = [found for found in good if (found.models != deployed.models if to is None else found.number == to)]
    if wanted:
        return wanted[0]
    there = ", ".join(f"{found.number} ({listed(found.models)})" for found in good)
    what = f"good release {to}" if to is not None else "good release with other models"
    raise NoSuchRelease(
        f"the history of {deployed.name} [{deployed.env}] has no {what}",
        hint=f"there is: {there}" if there else "deployer history shows what there is",
    )


def _check_bytes(store: Store, model: ServedModel) -> None:
    for version, digest in zip(model.versions, model.digests, strict=True):
        if store.get(model.name, version).digest != digest:
            raise BrokenModel(
                f"{model.name}:{version} is not what was deployed then: its files have changed",
                hint="export that model again as a new version, and deploy it",
            )


def _as_it_was(spec: Spec, target: Release) -> Spec:
    listed = {
        model.name: dataclasses.replace(
            spec.models.get(model.name, ModelSpec()), source=None, versions=model.versions, labels=dict(model.labels)
        )
        for model in target.models
    }
    return dataclasses.replace(spec, name=target.name, models=listed)
