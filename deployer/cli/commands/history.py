"""`deployer history`."""

from __future__ import annotations

from typing import Annotated

import typer

from deployer.cli.command import command
from deployer.cli.options import Output
from deployer.config.options import PROJECT, Settings


@command("deployer history digits", "deployer history --all")
def history(
    name: Annotated[str | None, typer.Argument(metavar="NAME", help="The deployment; unset: every one.")] = None,
    everything: Annotated[bool, typer.Option("--all", help="Of all environments.")] = False,
    *,
    settings: Annotated[Settings, PROJECT],
    output: Output,
) -> None:
    """Show what was deployed when, and by whom."""
    from deployer import console
    from deployer.operations.history import history as run

    output.show(run(name, all_envs=everything, settings=settings), console.show_history)
