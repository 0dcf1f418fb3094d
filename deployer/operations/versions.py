"""`versions`: what the store has."""

from __future__ import annotations

from deployer.results.versions import VersionsResult
from deployer.rollout.workspace import Settings, open_workspace


def versions(name: str | None = None, *, settings: Settings | None = None) -> VersionsResult:
    """All versions of a model, or of all models. Raises NoSuchModel for a name that the store lacks."""
    store = open_workspace(settings or Settings()).store
    if name is not None:
        store.get(name)
    names = (name,) if name is not None else store.names()
    return VersionsResult(tuple(store.get(found, version) for found in names for version in store.versions(found)))
