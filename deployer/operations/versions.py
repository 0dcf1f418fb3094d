"""`versions`: list the versions in the store."""

from __future__ import annotations

from deployer.config.options import Settings
from deployer.results.versions import VersionsResult
from deployer.rollout import lost_versions
from deployer.rollout.workspace import open_workspace


def versions(name: str | None = None, *, settings: Settings | None = None) -> VersionsResult:
    """Return the versions of one model or of all. Raises ModelNotFound for an unknown name."""
    workspace = open_workspace(settings or Settings())
    with lost_versions.suggest_recovery(workspace, command=f"deployer versions {{}}{workspace.store_options}"):
        return VersionsResult(workspace.store.models(name))
