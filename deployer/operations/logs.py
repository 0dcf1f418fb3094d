"""`logs`: show the log of a server."""

from __future__ import annotations

from collections.abc import Iterator

from deployer.config.options import Settings
from deployer.results.progress import Note, Progress, no_progress
from deployer.rollout import lookup
from deployer.rollout.workspace import open_workspace


def logs(
    name: str | None = None,
    *,
    tail: int | None = None,
    follow: bool = False,
    settings: Settings | None = None,
    progress: Progress = no_progress,
) -> Iterator[str]:
    """Yield the lines of a server's log, the last `tail` of them; with `follow` until the server exits.

    Raises DeploymentNotFound.
    """
    workspace = open_workspace(settings or Settings(), "logs")
    deployment = lookup.find(workspace, name)
    if deployment.silence:
        from deployer.rollout.restart import restart_hint

        progress(Note(f"{deployment.silence}: {restart_hint(workspace, deployment)}"))
    return workspace.for_deployment(deployment.name).engine.logs(deployment, tail, follow=follow)
