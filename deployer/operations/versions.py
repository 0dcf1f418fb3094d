"""`versions`: what the store has."""

from __future__ import annotations

from deployer.config.options import Settings
from deployer.results.versions import VersionsResult
from deployer.rollout import lost_versions
from deployer.rollout.workspace import open_workspace


def versions(name: str | None = None, *, settings: Settings | None = None) -> VersionsResult:
    """All versions of a model, or of all models. Raises ModelNotFound for a name that the store lacks."""
    workspace = open_workspace(settings or Settings())
    with lost_versions.suggest_recovery(workspace):
        return VersionsResult(workspace.store.models(name))
