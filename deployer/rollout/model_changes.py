"""Describes how the models of a server change: versions loaded and unloaded, labels moved. Pure."""

from __future__ import annotations

from collections.abc import Iterator

from deployer.results.deployment import ServedModel

Models = tuple[ServedModel, ...]


def describe(before: Models, after: Models) -> tuple[str, ...]:
    """Return each change in a few words, such as `load m:2` and `point label stable at m:2`."""
    was, will = ({model.name: model for model in models} for models in (before, after))
    empty = {name: ServedModel(name, ()) for name in (*will, *was)}
    return tuple(text for name in empty for text in _of(was.get(name, empty[name]), will.get(name, empty[name])))


def _of(before: ServedModel, after: ServedModel) -> Iterator[str]:
    name, was, will = after.name, dict(before.labels), dict(after.labels)
    yield from (f"load {name}:{version}" for version in after.versions if version not in before.versions)
    yield from (f"point label {label} at {name}:{to}" for label, to in will.items() if was.get(label) != to)
    yield from (f"remove label {label} of {name}" for label in was if label not in will)
    yield from (f"unload {name}:{version}" for version in before.versions if version not in after.versions)


def cause(before: Models, after: Models) -> str:
    """Return why a server must reload: its most important difference."""
    was, will = ({model.name: model for model in models} for models in (before, after))
    added = (_added(was.get(name), model) for name, model in will.items())
    gone = (_gone(model, will.get(name)) for name, model in was.items())
    return next((text for text in (*added, *gone) if text), "the labels differ")


def _added(before: ServedModel | None, after: ServedModel) -> str:
    if before is None:
        return f"new model {after.name}"
    new = max((version for version in after.versions if version not in before.versions), default=None)
    if new is None:
        return ""
    return f"{'newer' if new > max(before.versions) else 'older'} version {after.name}:{new}"


def _gone(before: ServedModel, after: ServedModel | None) -> str:
    if after is None:
        return f"model {before.name} is not served any more"
    gone = [version for version in before.versions if version not in after.versions]
    return f"version {before.name}:{gone[0]} is not served any more" if gone else ""
