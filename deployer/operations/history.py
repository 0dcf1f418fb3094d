"""`history`: what was deployed when, by whom, and how it ended."""

from __future__ import annotations

from deployer.model import check_name
from deployer.operations.workspace import Settings, open_workspace
from deployer.report.history import HistoryResult


def history(name: str | None = None, *, all_envs: bool = False, settings: Settings | None = None) -> HistoryResult:
    """The releases of one deployment or of all, in this environment or in all, the newest first."""
    workspace = open_workspace(settings or Settings())
    wanted = check_name(name, "deployment") if name is not None else None
    return HistoryResult(workspace.ledger.releases(wanted, None if all_envs else workspace.spec.env))
