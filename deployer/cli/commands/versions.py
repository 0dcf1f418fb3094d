"""`deployer versions`."""

from __future__ import annotations

from typing import Annotated

import typer

from deployer.cli.command import command
from deployer.cli.options import Output
from deployer.config.options import STORE, Settings


@command("deployer versions", "deployer versions digits --json")
def versions(
    name: Annotated[str | None, typer.Argument(metavar="NAME", help="A model; unset: all.")] = None,
    *,
    settings: Annotated[Settings, STORE],
    output: Output,
) -> None:
    """List the versions in the store."""
    from deployer import console
    from deployer.operations.versions import versions as run

    output.show(run(name, settings=settings), console.show_versions)
