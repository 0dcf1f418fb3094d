"""Describes how the models of a server change: versions loaded and unloaded, labels moved. Pure."""

from __future__ import annotations

from collections.abc import Iterator

from deployer.results.served import ServedModel

Models = tuple[ServedModel, ...]


def describe(before: Models, after: Models, *, running: bool = True) -> tuple[str, ...]:
    """Return each change in a few words, such as `load m:2` and `point label stable at m:2`.

    A server of `before` that is not `running` has nothing to unload.
    """
    was, will = ({model.name: model for model in models} for models in (before, after))
    empty = {name: ServedModel(name, ()) for name in (*will, *was)}
    pairs = ((was.get(name, none), will.get(name, none)) for name, none in empty.items())
    return tuple(text for old, new in pairs for text in _of(old, new, running))


def _of(before: ServedModel, after: ServedModel, running: bool) -> Iterator[str]:
    name, was, will = after.name, dict(before.labels), dict(after.labels)
    yield from (f"load {name}:{version}" for version in after.versions if version not in before.versions)
    yield from (f"point label {label} at {name}:{to}" for label, to in will.items() if was.get(label) != to)
    yield from (f"remove label {label} of {name}" for label in was if label not in will)
    gone = (version for version in before.versions if version not in after.versions) if running else ()
    yield from (f"unload {name}:{version}" for version in gone)
