"""Print what the server wrote.

deployer logs digits --tail 50
deployer logs digits -f
"""

from __future__ import annotations

from typing import Annotated

from typer import Option

import deployer
from deployer import console
from deployer.cli.options import Deployed, Output
from deployer.config.options import ENGINE, PROJECT, Settings
from deployer.results.progress import Event


def logs(
    name: Deployed = None,
    follow: Annotated[bool, Option("--follow", "-f", help="Follow the log until the server ends.")] = False,
    tail: Annotated[int | None, Option(metavar="N", min=0, help="Only the last N lines.")] = None,
    *,
    settings: Annotated[Settings, PROJECT, ENGINE],
    output: Output,
) -> None:
    notes: list[Event] = []
    lines = deployer.logs(name, tail=tail, follow=follow, settings=settings, progress=notes.append)
    if output.json:
        console.objects.show_json({"lines": list(lines)})
    else:
        for line in lines:
            console.lines.out(line)
    for note in notes:
        console.phases.show(note)
