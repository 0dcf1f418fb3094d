"""How a model that is served becomes another: one version in the place of another, labels moved. Pure."""

from __future__ import annotations

import dataclasses
import difflib
from collections.abc import Iterable, Mapping

from deployer.errors import UsageError
from deployer.results.deployment import ServedModel

STABLE = "stable"


def current_version(model: ServedModel) -> int:
    """The version that the next one takes the place of: the one labelled `stable`, or else the highest."""
    return dict(model.labels).get(STABLE, max(model.versions))


def replace_version(model: ServedModel, to: int, *, keep: bool = False) -> ServedModel:
    """`to` in the place of the current version, with its labels; versions that other labels point to stay.

    With `keep` the current one stays loaded too, to go back to it at once. A higher one cannot: requests without a
    version go to the highest that is loaded.
    """
    old = current_version(model)
    labels = {label: to if version == old else version for label, version in model.labels}
    kept = {old} if keep and old < to else set()
    return _served(model, {to, *labels.values()} | kept, labels)


def set_labels(model: ServedModel, changes: Mapping[str, int | None]) -> ServedModel:
    """With labels set, and those that are None taken away; what a label is set to is served from then on.

    A version that loses its last label goes, unless no version would be left: then the current one stays. Raises
    UsageError for a label to take away that is not there.
    """
    for label, version in changes.items():
        if version is None and label not in dict(model.labels):
            raise unknown_label(model, label)
    labels = {label: version for label, version in {**dict(model.labels), **changes}.items() if version is not None}
    left = {version for label, version in model.labels if label in changes} - set(labels.values())
    stays = (set(model.versions) - left) | set(labels.values())
    return _served(model, stays or {current_version(model)}, labels)


def replacements(before: ServedModel, after: ServedModel) -> dict[tuple[int, int], tuple[str, ...]]:
    """Which version answers in the place of which, and what requests: those without a version, which go to the highest,
    and those by a label that stays. A version takes its own place where its files are others than before.
    """
    then, now = dict(before.labels), dict(after.labels)
    answered = {"requests without a version": (max(before.versions), max(after.versions))} | {
        f"requests by label {label}": (then[label], now[label]) for label in sorted(then.keys() & now)
    }
    pairs = dict.fromkeys(
        (old, new) for old, new in answered.values() if old != new or before.digest_of(old) != after.digest_of(old)
    )
    return {pair: tuple(requests for requests, each in answered.items() if each == pair) for pair in pairs}


def unknown_label(model: ServedModel, label: str) -> UsageError:
    """The error that lists the labels there are, with the nearest as its hint."""
    there = ", ".join(f"{name}={version}" for name, version in model.labels) or "none"
    near = difflib.get_close_matches(label, dict(model.labels), n=1)
    return UsageError(
        f"{model.name} has no label {label}; it has: {there}", hint=f"did you mean {near[0]}?" if near else None
    )


def replace_model(models: Iterable[ServedModel], changed: ServedModel) -> tuple[ServedModel, ...]:
    """All of them, with the changed one in the place of its namesake."""
    return tuple(changed if model.name == changed.name else model for model in models)


def _served(model: ServedModel, versions: set[int], labels: Mapping[str, int]) -> ServedModel:
    ordered = tuple(sorted(versions))
    return dataclasses.replace(model, versions=ordered, labels=tuple(sorted(labels.items())), digests=())
