"""What is said of a change that takes back what an earlier command did, or does otherwise than deployer.toml says."""

from __future__ import annotations

from collections.abc import Iterator

from deployer.config.spec import ModelSpec
from deployer.results.changes import UpResult
from deployer.results.deployment import Deployment, Launch, ServedModel
from deployer.results.history import LABEL, REDEPLOY, ROLLBACK, Outcome
from deployer.rollout import served_models
from deployer.rollout.workspace import Workspace


def notices(workspace: Workspace, launch: Launch, observed: Deployment | None, reason: str) -> Iterator[str]:
    """What is to be said before a launch that `reason` asked for; an empty one is `up`."""
    if observed is None or reason == ROLLBACK:
        return
    yield from _history(workspace, launch, observed, reason)


def config_conflicts(workspace: Workspace, result: UpResult) -> tuple[str, ...]:
    """What deployer.toml says of the models otherwise than a change has it: the next `up` goes back to that."""
    spec = workspace.spec
    if (spec.name or tuple(spec.models)) not in {result.name, (result.name,)}:
        return ()
    up = f"deployer up{workspace.cli_target(result.name).removeprefix(result.name)}"
    found = ((model.name, _other_keys(spec.models.get(model.name, ModelSpec()), model)) for model in result.models)
    return tuple(
        f"deployer.toml says {keys} for {name}: the next `{up}` goes back to it" for name, keys in found if keys
    )


def _other_keys(listed: ModelSpec, served: ServedModel) -> str:
    versions = sorted(set(listed.versions))
    labels = ", ".join(f"{label} = {version}" for label, version in listed.labels.items())
    others = (
        f"versions = {versions}" if versions and versions != list(served.versions) else "",
        f"labels = {{ {labels} }}" if labels and listed.labels != dict(served.labels) else "",
    )
    return " and ".join(filter(None, others))


def _history(workspace: Workspace, launch: Launch, observed: Deployment, reason: str) -> Iterator[str]:
    """That the last change went back to a version, and that this one goes forward again; or that `up` takes back what
    `redeploy` or `label` did.
    """
    releases = workspace.ledger.releases(observed.name, observed.env, workspace.engine.traits.name)
    good = [release for release in releases if release.outcome is Outcome.SUCCEEDED]
    if not good or good[0].models != observed.models:
        return
    last, earlier = good[0], {model.name: model for release in good[1:2] for model in release.models}
    verb = last.detail.partition(";")[0]
    there = {model.name: model for model in observed.models}
    for wanted in launch.models:
        before = there.get(wanted.name)
        if before is None:
            continue
        now, then = served_models.current_version(wanted), served_models.current_version(before)
        if verb == ROLLBACK and now > then:
            to = f"{wanted.name}:{now}"
            yield f"release {last.number} went back to {wanted.name}:{then} by rollback, and this deploys {to}"
            continue
        went_back = wanted.name in earlier and served_models.current_version(earlier[wanted.name]) > then
        undone = now < then or (now > then and went_back) or not set(before.labels) <= set(wanted.labels)
        if verb in {REDEPLOY, LABEL} and not reason and undone:
            yield f"release {last.number} made it {before} by {verb}, and this makes it {wanted}"
