"""Print what the server wrote.

With --follow, --json prints an object for each line.

deployer logs digits --tail 50
deployer logs digits -f
deployer logs digits --since 10m --grep 'ERROR|WARN'
"""

from __future__ import annotations

from datetime import datetime, timezone
from typing import Annotated

from typer import Option

import deployer
from deployer import console
from deployer.cli.options import Deployed, Output
from deployer.config.options import ENGINE, PROJECT, Settings
from deployer.errors import UsageError
from deployer.results.progress import Event
from deployer.system import times


def logs(
    name: Deployed = None,
    follow: Annotated[bool, Option("--follow", "-f", help="Follow the log until the server ends.")] = False,
    tail: Annotated[int | None, Option(metavar="N", min=0, help="Only the last N lines.")] = None,
    since: Annotated[
        str | None, Option(metavar="TIME", help="Only lines since then: 10m, 1h30m ago, or 2026-11-30T12:00.")
    ] = None,
    grep: Annotated[
        str | None, Option(metavar="REGEX", help="Of these lines, those in which the expression is found.")
    ] = None,
    *,
    settings: Annotated[Settings, PROJECT, ENGINE],
    output: Output,
) -> None:
    notes: list[Event] = []
    earliest = None if since is None else _time(since)
    lines = deployer.logs(
        name, tail=tail, follow=follow, since=earliest, grep=grep, settings=settings, progress=notes.append
    )
    if output.json and not follow:
        console.objects.show_json({"lines": [line.text for line in lines]})
    else:
        show = console.objects.show_json_line if output.json else console.lines.show_log_line
        for line in lines:
            show(line)
    for note in notes:
        console.phases.show(note)


def _time(text: str) -> datetime:
    """Return the time that was typed. Raises UsageError."""
    time = times.parse(text, datetime.now(timezone.utc))
    if time is None:
        raise UsageError(f"{text[:40]!r} is no time", hint="--since 10m, 1h30m, 2d, 2026-11-30 or 2026-11-30T12:00")
    return time
