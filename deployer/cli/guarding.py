"""Verbs of who may ask: token."""

from __future__ import annotations

from typing import Annotated

import typer

from deployer.cli.app import verbs
from deployer.cli.options import Config, Env, Json, examples_text, settings_of, show


@verbs.command(epilog=examples_text("deployer token alice", "deployer token alice --revoke"))
def token(
    name: Annotated[str, typer.Argument(metavar="NAME", help="Whose token it is.")],
    revoke: Annotated[bool, typer.Option("--revoke", help="Take it back.")] = False,
    config: Config = None,
    env: Env = None,
    json: Json = False,
) -> None:
    """Make a bearer token for the gateway, shown this once, in place of one that NAME had; `up` brings it there."""
    from deployer import console
    from deployer.operations.token import token as run

    show(run(name, revoke=revoke, settings=settings_of(locals())), json, console.show_token)
