"""`deployer logs`."""

from __future__ import annotations

from typing import Annotated

import typer

from deployer.cli.command import command
from deployer.cli.options import Deployed, Output
from deployer.config.options import ENGINE, PROJECT, Settings


@command("deployer logs digits --tail 50", "deployer logs digits -f")
def logs(
    name: Deployed = None,
    follow: Annotated[bool, typer.Option("--follow", "-f", help="Go on until the server ends.")] = False,
    tail: Annotated[int | None, typer.Option(min=0, help="Only the last lines.")] = None,
    *,
    settings: Annotated[Settings, PROJECT, ENGINE],
    output: Output,
) -> None:
    """Print what the server wrote."""
    from deployer import console
    from deployer.operations.logs import logs as run

    notices: list[str] = []
    lines = run(name, tail=tail, follow=follow, settings=settings, progress=notices.append)
    if output.json:
        console.show_json({"lines": list(lines)})
    else:
        for line in lines:
            console.out(line)
    console.show_notices(notices)
