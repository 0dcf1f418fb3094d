"""Make or revoke a gateway token.

Prints the bearer token once. It replaces an earlier token of NAME; `up` passes it to the gateway.

deployer token alice
deployer token alice --revoke
"""

from __future__ import annotations

from typing import Annotated

from typer import Argument, Option

import deployer
from deployer import console
from deployer.cli.options import Output
from deployer.config.options import Settings


def token(
    name: Annotated[str, Argument(metavar="NAME", help="The name of the token.")],
    revoke: Annotated[bool, Option("--revoke", help="Revoke the token.")] = False,
    *,
    settings: Settings,
    output: Output,
) -> None:
    result = deployer.token(name, revoke=revoke, settings=settings)
    output.show(result, console.deployments.show_token)
