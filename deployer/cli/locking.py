"""The verb of locks: unlock."""

from __future__ import annotations

from typing import Annotated

import typer

from deployer.cli.app import verbs
from deployer.cli.options import (
    Config,
    Deployed,
    EngineName,
    Env,
    Json,
    Project,
    StateDir,
    examples_text,
    settings_of,
    show,
)


@verbs.command(epilog=examples_text("deployer unlock digits", "deployer unlock digits --force"))
def unlock(
    name: Deployed = None,
    force: Annotated[
        bool, typer.Option("--force", help="Take the lock away; a command of this machine that holds it is ended.")
    ] = False,
    engine: EngineName = None,
    state_dir: StateDir = None,
    config: Config = None,
    project: Project = None,
    env: Env = None,
    json: Json = False,
) -> None:
    """Show which command works on a deployment; with --force take its lock away."""
    from deployer import console
    from deployer.operations.unlock import unlock as run

    settings = settings_of(locals())
    show(run(name, force=force, settings=settings), json, console.show_unlock)
