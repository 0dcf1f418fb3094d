"""Notices about what `up TARGET` deploys other than an export of its target: a stored version, other models."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from pathlib import Path

from deployer.config.spec import ModelSpec
from deployer.results.deployment import Deployment
from deployer.results.served import ServedModel
from deployer.rollout.served_models import current_version
from deployer.rollout.targets import own_version
from deployer.rollout.workspace import Workspace


def notices(  # noqa: PLR0913
    workspace: Workspace,
    models: tuple[ServedModel, ...],
    observed: Deployment | None,
    target: str | None,
    exported: Mapping[str, int],
    *,
    uncertain: Collection[str] = (),
) -> Iterator[str]:
    """Yield the notices about the models that are deployed.

    The workspace has the spec before the exports. `target` is the model that the command names, None for all;
    `exported` are the new versions by model; of the `uncertain` ones only the export tells whether it makes one.
    """
    served = {model.name: model for model in observed.models} if observed else {}
    for model in models:
        listed, before = workspace.spec.models.get(model.name, ModelSpec()), served.get(model.name)
        new = exported.get(model.name)
        if new is not None and new not in model.versions and model.name not in uncertain:
            keys = f"models.{model.name}.versions = {sorted(set(listed.versions))}"
            yield f"{model.name}:{new} is exported and not deployed: deployer.toml says {keys}"
        if listed.source is not None and not listed.versions and new is None:
            yield from _not_exported(workspace, listed.source, model, before)
        is_same = before is not None and (before.versions, before.labels) == (model.versions, model.labels)
        if target not in (None, model.name) and not is_same and model.name not in uncertain:
            yield _other_model(model, before, listed)


def _not_exported(workspace: Workspace, source: str, model: ServedModel, before: ServedModel | None) -> Iterator[str]:
    """Yield that a source has the content of a stored version, unless that is the newest or is served already."""
    name, version = model.name, current_version(model)
    newest = workspace.store.versions(name)[-1]
    same = f"{source} has the content of {name}:{version}: nothing is exported"
    current = newest if before is None else current_version(before)
    several = before is not None and len(before.versions) > 1
    becomes = f"{before} becomes {model}" if several else ""
    if version < current:
        step = f"{name} goes back from {current} to {version}" if before else f"{name}:{newest} is not deployed"
        step = becomes or step
        yield f"{same}, and {step}; --force exports it as a new version"
    elif version > current:
        yield f"{same}, and {becomes or f'{name} goes from {current} to {version}'}"
    elif Path(source).is_dir() and (own := own_version(source)) > version:
        same = f"{source}/{own} has the content of {name}:{version}"
        yield f"{same}: it is not exported; --force exports it as {name}:{own}"


def _other_model(model: ServedModel, before: ServedModel | None, listed: ModelSpec) -> str:
    source = f" with source {listed.source}" if listed.source else ""
    change = f"{model} is deployed, too" if before is None else f"{before} becomes {model}, too"
    return f"{change}: deployer.toml lists {model.name}{source} in the same deployment"
