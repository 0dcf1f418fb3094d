"""Notices about requests that a change routes to another version, and about labels that it moves. Pure."""

from __future__ import annotations

from collections.abc import Iterator

from deployer.results.history import LABEL, REDEPLOY, ROLLBACK
from deployer.results.served import ServedModel
from deployer.rollout import served_models

Models = tuple[ServedModel, ...]


def notices(before: Models, after: Models, reason: str) -> Iterator[str]:
    """Yield the notices about a change of models; `reason` is its command, empty for `up`."""
    desired = {model.name: model for model in after}
    for old in before:
        new = desired.get(old.name, ServedModel(old.name, ()))
        if not new.versions:
            yield f"model {old.name} is not served any more: requests for it get 404"
        if reason == LABEL:
            yield from _unlabelled_versions(old, new)
        elif reason != ROLLBACK:
            yield from _moved_labels(old, new, reason)
        if reason == REDEPLOY:
            yield from _other_unloads(old, new)
        yield from _requests_without_version(old, new, reason)


def _moved_labels(before: ServedModel, after: ServedModel, reason: str) -> Iterator[str]:
    """Yield the labels that are removed, and those that a redeploy moves."""
    labels = dict(after.labels)
    for label, version in before.labels:
        which = f"label {label} ({before.name}:{version})"
        unloaded = "" if version in after.versions else ", and that version is not served any more"
        if label not in labels:
            yield f"{which} goes{unloaded}"
        elif reason == REDEPLOY and labels[label] != version:
            yield f"{which} moves to {before.name}:{labels[label]}{unloaded}: {_replaced(before)}"


def _replaced(before: ServedModel) -> str:
    """Return which version a redeploy replaces, and why."""
    stable = served_models.STABLE
    if stable in dict(before.labels):
        return f"redeploy replaces the version labelled {stable}"
    return f"redeploy replaces the highest version, because none is labelled {stable}"


def _other_unloads(before: ServedModel, after: ServedModel) -> Iterator[str]:
    """Yield the versions that a redeploy unloads, except the one that it replaces."""
    replaced = served_models.current_version(before)
    for version in before.versions:
        if version not in (replaced, *after.versions):
            yield f"{before.name}:{version} is not served any more: no label points to it"


def _unlabelled_versions(before: ServedModel, after: ServedModel) -> Iterator[str]:
    """Yield what happens to the versions that lose a label."""
    labels = dict(after.labels)
    for version in sorted({old for label, old in before.labels if labels.get(label) != old}):
        which = f"{before.name}:{version}"
        others = [label for label, new in after.labels if new == version]
        if version not in after.versions:
            yield f"{which} is not served any more: no label points to it"
        elif others:
            yield f"{which} stays deployed: label {', '.join(others)} points to it"
        else:
            yield f"{which} stays deployed without a label: no other version of {before.name} is served"


def _requests_without_version(before: ServedModel, after: ServedModel, reason: str) -> Iterator[str]:
    """Yield that requests without a version get another version, unless that one replaces the current version."""
    if not after.versions:
        return
    old, new = max(before.versions), max(after.versions)
    current = old == served_models.current_version(before) and new == served_models.current_version(after)
    if old == new or (reason != LABEL and current):
        return
    name = before.name
    yield f"requests without a version get {name}:{new} instead of {name}:{old}, because it is the highest version"
