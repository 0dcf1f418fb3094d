"""Notes on what a change moves although nobody asked for it: labels, and requests without a version. Pure."""

from __future__ import annotations

from collections.abc import Iterator

from deployer.results.deployment import ServedModel
from deployer.results.history import LABEL, REDEPLOY, ROLLBACK
from deployer.rollout import served_models

Models = tuple[ServedModel, ...]


def notices(before: Models, after: Models, reason: str) -> Iterator[str]:
    """What is to be said before a change that `reason` asked for; an empty one is `up`."""
    wanted = {model.name: model for model in after}
    for served in before:
        becomes = wanted.get(served.name, ServedModel(served.name, ()))
        if reason == LABEL:
            yield from _left(served, becomes)
        elif reason != ROLLBACK:
            yield from _labels(served, becomes, reason)
        yield from _without_version(served, becomes, reason)


def _labels(before: ServedModel, after: ServedModel, reason: str) -> Iterator[str]:
    """The labels that go, and those that a redeploy moves along."""
    labels = dict(after.labels)
    for label, version in before.labels:
        which = f"label {label} ({before.name}:{version})"
        unloaded = "" if version in after.versions else ", and that version is unloaded"
        if label not in labels:
            yield f"{which} goes{unloaded}"
        elif reason == REDEPLOY and labels[label] != version:
            yield f"{which} moves to {before.name}:{labels[label]}{unloaded}"


def _left(before: ServedModel, after: ServedModel) -> Iterator[str]:
    """What becomes of versions that a label was taken from."""
    labels = dict(after.labels)
    for version in sorted({there for label, there in before.labels if labels.get(label) != there}):
        which = f"{before.name}:{version}"
        others = [label for label, there in after.labels if there == version]
        if version not in after.versions:
            yield f"{which} is unloaded: no label points to it any more"
        elif others:
            yield f"{which} stays loaded: label {', '.join(others)} points to it"
        else:
            yield f"{which} stays loaded without a label: no other version of {before.name} is served"


def _without_version(before: ServedModel, after: ServedModel, reason: str) -> Iterator[str]:
    """That requests without a version get another one than before. Where that one is the current version, `up`,
    `redeploy` and `rollback` were asked for it.
    """
    if not after.versions:
        return
    was, will = max(before.versions), max(after.versions)
    if was == will or (reason != LABEL and will == served_models.current_version(after)):
        return
    name = before.name
    yield f"requests without a version get {name}:{will} instead of {name}:{was}, because it is the highest version"
