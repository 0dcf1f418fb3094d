"""`deployer token`."""

from __future__ import annotations

from typing import Annotated

import typer

from deployer.cli.command import command
from deployer.cli.options import Output
from deployer.config.options import Settings


@command("deployer token alice", "deployer token alice --revoke")
def token(
    name: Annotated[str, typer.Argument(metavar="NAME", help="Whose token it is.")],
    revoke: Annotated[bool, typer.Option("--revoke", help="Take it back.")] = False,
    *,
    settings: Settings,
    output: Output,
) -> None:
    """Make or revoke a gateway token.

    The bearer token is shown this once, and replaces one that NAME had; `up` brings it to the gateway.
    """
    from deployer import console
    from deployer.operations.token import token as run

    output.show(run(name, revoke=revoke, settings=settings), console.show_token)
