"""`deployer unlock`."""

from __future__ import annotations

from typing import Annotated

import typer

from deployer.cli.command import command
from deployer.cli.options import Deployed, Output
from deployer.config.options import ENGINE, PROJECT, Settings


@command("deployer unlock digits", "deployer unlock digits --force")
def unlock(
    name: Deployed = None,
    force: Annotated[
        bool, typer.Option("--force", help="Take the lock away; a command of this machine that holds it is ended.")
    ] = False,
    *,
    settings: Annotated[Settings, PROJECT, ENGINE],
    output: Output,
) -> None:
    """Show or take away a deployment's lock."""
    from deployer import console
    from deployer.operations.unlock import unlock as run

    output.show(run(name, force=force, settings=settings), console.show_unlock)
