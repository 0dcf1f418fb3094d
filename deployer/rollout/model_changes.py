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
