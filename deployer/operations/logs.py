"""`logs`: show the log of a server."""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import datetime

from deployer.config.options import Settings
from deployer.errors import InvalidValue
from deployer.results.logs import LogLine
from deployer.results.progress import Note, Progress, no_progress
from deployer.rollout import lookup
from deployer.rollout.workspace import open_workspace


def logs(
    name: str | None = None,
    *,
    tail: int | None = None,
    follow: bool = False,
    since: datetime | None = None,
    grep: str | None = None,
    settings: Settings | None = None,
    progress: Progress = no_progress,
) -> Iterator[LogLine]:
    """Yield the lines of a server's log, the last `tail` of them; with `follow` until the server exits.

    `since` is when the earliest was written. Of these lines, those that the regular expression `grep` finds something
    in. Raises DeploymentNotFound; InvalidValue for a wrong expression.
    """
    pattern = _compile(grep or "")
    workspace = open_workspace(settings or Settings(), "logs", allow_unset=True)
    deployment = lookup.find(workspace, name)
    if deployment.silence:
        from deployer.rollout.restart import restart_hint

        progress(Note(f"{deployment.silence}: {restart_hint(workspace, deployment)}"))
    earliest = None if since is None else since.timestamp()
    lines = workspace.for_deployment(deployment.name).engine.logs(deployment, tail, follow=follow, since=earliest)
    return (line for line in lines if pattern.search(line.text))


def _compile(text: str) -> re.Pattern[str]:
    try:
        return re.compile(text)
    except (re.error, OverflowError, RecursionError) as error:
        raise InvalidValue(
            f"{text[:60]!r} is no regular expression: {error}",
            hint="--grep 'ERROR|WARN'; a \\ before . * + ? ( ) [ ] { }",
        ) from error
