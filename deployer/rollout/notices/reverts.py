"""Notices about a change that reverts an earlier command, or that `deployer.toml` will revert."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import zip_longest

from deployer.config.spec import ModelSpec, Spec
from deployer.errors import DeployerError
from deployer.results.changes import UpResult
from deployer.results.deployment import Deployment
from deployer.results.history import LABEL, REDEPLOY, ROLLBACK, Outcome, Release
from deployer.results.launch import Launch
from deployer.results.served import ServedModel
from deployer.rollout.export_options import ExportOptions
from deployer.rollout.served_models import current_version
from deployer.rollout.workspace import Workspace

REPLICAS = "swarm.replicas"


def notices(workspace: Workspace, launch: Launch, observed: Deployment | None, reason: str) -> Iterator[str]:
    """Yield the notices about changes that a launch reverts; `reason` is its command, empty for `up`."""
    if observed is not None and reason != ROLLBACK:
        yield from _reverted(workspace, launch, observed, reason)


def config_conflicts(workspace: Workspace, result: UpResult) -> tuple[str, ...]:
    """Return a notice for each model that `deployer.toml` lists differently, so that the next `up` reverts it."""
    spec = workspace.spec
    if (spec.name or tuple(spec.models)) not in {result.name, (result.name,)}:
        return ()
    up = f"deployer up{workspace.up_options}"
    differing = (
        (model.name, _differing_keys(spec, model) or _differing_source(workspace, model)) for model in result.models
    )
    return tuple(
        f"deployer.toml says {keys} for {name}: the next `{up}` goes back to it" for name, keys in differing if keys
    )


def replicas_conflict(workspace: Workspace, replicas: int) -> tuple[str, ...]:
    """Return the notice that `deployer.toml` says another number of servers, so that the next `up` reverts this one."""
    origins = workspace.origins
    listed = origins.file.get(REPLICAS)
    if listed in (None, replicas):
        return ()
    up = f"deployer up{workspace.up_options}"
    return (f"{origins.place(REPLICAS)} = {listed} in {origins.file_name}: the next `{up}` goes back to it",)


def _differing_keys(spec: Spec, served: ServedModel) -> str:
    listed = spec.models.get(served.name, ModelSpec())
    versions = sorted(set(listed.versions))
    labels = ", ".join(f"{label} = {version}" for label, version in listed.labels.items())
    keys = (
        f"versions = {versions}" if versions and versions != list(served.versions) else "",
        f"labels = {{ {labels} }}" if labels and listed.labels != dict(served.labels) else "",
    )
    return " and ".join(filter(None, keys))


def _differing_source(workspace: Workspace, served: ServedModel) -> str:
    """Return the source that the file lists for a model, if `up` would serve another version of it, or no labels."""
    from deployer.rollout.exports import NeededExport, find_exported

    listed = workspace.spec.models.get(served.name, ModelSpec())
    if listed.source is None or listed.versions:
        return ""
    options = ExportOptions().for_batching(workspace.spec.batching).for_model(served.name, listed)
    try:
        found = find_exported(workspace.store, listed.source, options)
    except (DeployerError, OSError):  # the next `up` says so
        return ""
    if not isinstance(found, NeededExport):
        labels = ", without labels" if served.labels and not listed.labels else ""
        if served.versions == (found.version,) and not labels:
            return ""
        return f"source = {listed.source} ({served.name}:{found.version}{labels})"
    return f"source = {listed.source}"


def _reverted(workspace: Workspace, launch: Launch, observed: Deployment, reason: str) -> Iterator[str]:
    """Compare a launch with the releases: a rollback that it undoes, or a redeploy or label that `up` reverts."""
    releases = workspace.ledger.releases(observed.name, observed.env, workspace.engine.traits.name)
    succeeded = [release for release in releases if release.outcome is Outcome.SUCCEEDED]
    if not succeeded or succeeded[0].models != observed.models:
        return
    served = {model.name: model for model in observed.models}
    for model in launch.models:
        before = served.get(model.name)
        origin = None if before is None else _origin(succeeded, before)
        if before is None or origin is None:
            continue
        release, previous = origin
        if _command(release) == ROLLBACK:
            if _is_forward(model, before) or (not reason and _is_backward(model, before)):
                yield _after_rollback(release, model, before)
        elif not reason and (_is_backward(model, before) or _returns(model, before, previous)):
            yield f"release {release.number} made it {before} by {_command(release)}, and this makes it {model}"


def _origin(succeeded: list[Release], served: ServedModel) -> tuple[Release, ServedModel | None] | None:
    """Return the release whose command gave a model its versions and labels, and the model before that release.

    None if that is `up`, which also confirms what an earlier command did.
    """
    for release, earlier in zip_longest(succeeded, succeeded[1:]):
        if _command(release) not in {REDEPLOY, LABEL, ROLLBACK}:
            return None
        models = earlier.models if earlier else ()
        previous = next((model for model in models if model.name == served.name), None)
        if previous is None or (previous.versions, previous.labels) != (served.versions, served.labels):
            return release, previous
    return None


def _command(release: Release) -> str:
    return release.detail.partition(";")[0]


def _is_forward(new: ServedModel, old: ServedModel) -> bool:
    return current_version(new) > current_version(old) or max(new.versions) > max(old.versions)


def _is_backward(new: ServedModel, old: ServedModel) -> bool:
    return current_version(new) < current_version(old) or not set(old.labels) <= set(new.labels)


def _returns(new: ServedModel, old: ServedModel, previous: ServedModel | None) -> bool:
    """Return whether a model goes forward again, after a command that went back."""
    went_back = previous is not None and current_version(previous) > current_version(old)
    return went_back and current_version(new) > current_version(old)


def _after_rollback(release: Release, model: ServedModel, before: ServedModel) -> str:
    highest = max(before.versions)
    labelled = highest != current_version(before)
    unlabelled = f", where requests without a version get {model.name}:{highest}" if labelled else ""
    return f"release {release.number} went back by rollback to {before}{unlabelled}, and this deploys {model}"
