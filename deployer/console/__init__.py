"""The only package that prints. Data goes to stdout, progress and hints to stderr; `--json` is one object on stdout."""

from __future__ import annotations

from deployer.console.deployments import (
    show_doctor,
    show_down,
    show_history,
    show_next_steps,
    show_status,
    show_token,
    show_traffic,
    show_unlock,
    show_up,
    show_up_quietly,
)
from deployer.console.lines import (
    bug,
    error,
    note,
    out,
    progress,
    show_notices,
)
from deployer.console.objects import (
    error_json,
    plain,
    show_json,
)
from deployer.console.reports import show_report, show_smoke
from deployer.console.versions import (
    show_diff,
    show_export,
    show_init,
    show_inspect,
    show_prune,
    show_rendered,
    show_versions,
    show_written,
)

__all__ = [
    "bug",
    "error",
    "error_json",
    "note",
    "out",
    "plain",
    "progress",
    "show_diff",
    "show_doctor",
    "show_down",
    "show_export",
    "show_history",
    "show_init",
    "show_inspect",
    "show_json",
    "show_next_steps",
    "show_notices",
    "show_prune",
    "show_rendered",
    "show_report",
    "show_smoke",
    "show_status",
    "show_token",
    "show_traffic",
    "show_unlock",
    "show_up",
    "show_up_quietly",
    "show_versions",
    "show_written",
]
