"""Make or revoke a gateway token.

The bearer token is shown this once, and replaces an earlier one of NAME; `up` brings it to the gateway.

deployer token alice
deployer token alice --revoke
"""

from __future__ import annotations

from typing import Annotated

import typer

import deployer
from deployer import console
from deployer.cli.options import Output
from deployer.config.options import Settings


def token(
    name: Annotated[str, typer.Argument(metavar="NAME", help="Whose token it is.")],
    revoke: Annotated[bool, typer.Option("--revoke", help="Take it back.")] = False,
    *,
    settings: Settings,
    output: Output,
) -> None:
    output.show(deployer.token(name, revoke=revoke, settings=settings), console.deployments.show_token)
