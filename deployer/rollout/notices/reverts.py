"""Notices about a change that reverts an earlier command, or that `deployer.toml` will revert."""

from __future__ import annotations

from collections.abc import Iterator

from deployer.config.spec import ModelSpec, Spec
from deployer.results.changes import UpResult
from deployer.results.deployment import Deployment, Launch, ServedModel
from deployer.results.history import LABEL, REDEPLOY, ROLLBACK, Outcome
from deployer.rollout.served_models import current_version
from deployer.rollout.workspace import Workspace


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
    differing = ((model.name, _differing_keys(spec, model)) for model in result.models)
    return tuple(
        f"deployer.toml says {keys} for {name}: the next `{up}` goes back to it" for name, keys in differing if keys
    )


def _differing_keys(spec: Spec, served: ServedModel) -> str:
    listed = spec.models.get(served.name, ModelSpec())
    versions = sorted(set(listed.versions))
    labels = ", ".join(f"{label} = {version}" for label, version in listed.labels.items())
    keys = (
        f"versions = {versions}" if versions and versions != list(served.versions) else "",
        f"labels = {{ {labels} }}" if labels and listed.labels != dict(served.labels) else "",
    )
    return " and ".join(filter(None, keys))


def _reverted(workspace: Workspace, launch: Launch, observed: Deployment, reason: str) -> Iterator[str]:
    """Compare a launch with the last release: a rollback that it undoes, or a redeploy or label that `up` reverts."""
    releases = workspace.ledger.releases(observed.name, observed.env, workspace.engine.traits.name)
    succeeded = [release for release in releases if release.outcome is Outcome.SUCCEEDED]
    if not succeeded or succeeded[0].models != observed.models:
        return
    last, previous = succeeded[0], {model.name: model for release in succeeded[1:2] for model in release.models}
    command = last.detail.partition(";")[0]
    served = {model.name: model for model in observed.models}
    for model in launch.models:
        before = served.get(model.name)
        if before is None:
            continue
        new, old = current_version(model), current_version(before)
        highest = max(before.versions)
        if command == ROLLBACK and (new > old or max(model.versions) > highest):
            unlabelled = "" if highest == old else f", where requests without a version get {model.name}:{highest}"
            yield f"release {last.number} went back by rollback to {before}{unlabelled}, and this deploys {model}"
            continue
        went_back = model.name in previous and current_version(previous[model.name]) > old
        reverts = new < old or (new > old and went_back) or not set(before.labels) <= set(model.labels)
        if command in {REDEPLOY, LABEL} and not reason and reverts:
            yield f"release {last.number} made it {before} by {command}, and this makes it {model}"
