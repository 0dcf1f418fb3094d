"""Changes of a served model: one version replaces another, labels move. Pure."""

from __future__ import annotations

import dataclasses
import difflib
from collections.abc import Iterable, Mapping

from deployer.config.models import ModelSpec
from deployer.errors import UsageError
from deployer.results.deployment import Deployment
from deployer.results.served import ServedModel

Models = tuple[ServedModel, ...]
STABLE = "stable"


def current_version(model: ServedModel) -> int:
    """Return the version that a redeploy replaces: the one labelled `stable`, otherwise the highest."""
    return dict(model.labels).get(STABLE, max(model.versions))


def replace_version(model: ServedModel, to: int, *, keep: bool = False) -> ServedModel:
    """Return the model with version `to` in the place of the current one and with its labels.

    Versions that other labels point to stay. With `keep` the current version stays loaded too, unless it is the higher
    one: requests without a version go to the highest that is loaded.
    """
    old = current_version(model)
    labels = {label: to if version == old else version for label, version in model.labels}
    kept = {old} if keep and old < to else set()
    return _served(model, {to, *labels.values()} | kept, labels)


def unload_higher(model: ServedModel, version: int) -> ServedModel:
    """Return the model without the versions above `version` that no label points to.

    Requests without a version go to the highest one that is left.
    """
    labels = dict(model.labels)
    kept = {each for each in model.versions if each <= version or each in labels.values()}
    return model if kept == set(model.versions) else _served(model, kept, labels)


def set_labels(model: ServedModel, changes: Mapping[str, int | None]) -> ServedModel:
    """Return the model with labels set, or removed where they are None; versions that labels point to are served.

    A version that loses its last label is unloaded, unless it is the only one. Raises UsageError for an unknown label.
    """
    for label, version in changes.items():
        if version is None and label not in dict(model.labels):
            raise unknown_label(model, label)
    labels = {label: version for label, version in {**dict(model.labels), **changes}.items() if version is not None}
    left = {version for label, version in model.labels if label in changes} - set(labels.values())
    stays = (set(model.versions) - left) | set(labels.values())
    return _served(model, stays or {current_version(model)}, labels)


def keep_labels(desired: ServedModel, listed: ModelSpec, stopped: Deployment | None) -> ServedModel:
    """Return a desired model with the labels that it has in a stopped deployment.

    It keeps them if it keeps its versions, and if the settings list no labels for it.
    """
    before = {model.name: model for model in stopped.models if not listed.labels} if stopped else {}
    same = before.get(desired.name)
    return dataclasses.replace(desired, labels=same.labels) if same and same.versions == desired.versions else desired


def replacements(before: ServedModel, after: ServedModel) -> dict[tuple[int, int], tuple[str, ...]]:
    """Return which requests get another version than before, by the pair of versions.

    Requests without a version go to the highest one. A version whose files were replaced is paired with itself.
    """
    old_labels, new_labels = dict(before.labels), dict(after.labels)
    answered = {"requests without a version": (max(before.versions), max(after.versions))} | {
        f"requests by label {label}": (old_labels[label], new_labels[label])
        for label in sorted(old_labels.keys() & new_labels)
    }
    pairs = dict.fromkeys(
        (old, new) for old, new in answered.values() if old != new or before.digest_of(old) != after.digest_of(old)
    )
    return {pair: tuple(requests for requests, each in answered.items() if each == pair) for pair in pairs}


def unknown_label(model: ServedModel, label: str) -> UsageError:
    """Return the error for a label that the model does not have."""
    labels = ", ".join(f"{name}={version}" for name, version in model.labels) or "none"
    near = difflib.get_close_matches(label, dict(model.labels), n=1)
    return UsageError(
        f"{model.name} has no label {label}; it has: {labels}", hint=f"did you mean {near[0]}?" if near else None
    )


def replace_model(models: Iterable[ServedModel], changed: ServedModel) -> tuple[ServedModel, ...]:
    """Return the models with `changed` in the place of the one that has its name."""
    return tuple(changed if model.name == changed.name else model for model in models)


def all_loaded(desired: Models, loaded: Models) -> bool:
    """Return whether a server has loaded every desired version, so that no candidate is needed to verify them."""
    # A version that is still to be exported has no digest.
    exported = all(len(model.digests) == len(model.versions) for model in desired)
    return exported and version_digests(desired).items() <= version_digests(loaded).items()


def version_digests(models: Models) -> dict[tuple[str, int], str]:
    """Return the digests of versions, as far as they are known, by model and version."""
    return {
        (model.name, version): digest
        for model in models
        for version, digest in zip(model.versions, model.digests, strict=False)
    }


def _served(model: ServedModel, versions: set[int], labels: Mapping[str, int]) -> ServedModel:
    ordered = tuple(sorted(versions))
    return dataclasses.replace(model, versions=ordered, labels=tuple(sorted(labels.items())), digests=())
