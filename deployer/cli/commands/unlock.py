"""Show or take away a deployment's lock.

deployer unlock digits
deployer unlock digits --force
"""

from __future__ import annotations

from typing import Annotated

import typer

import deployer
from deployer import console
from deployer.cli.options import Deployed, Output
from deployer.config.options import ENGINE, PROJECT, Settings


def unlock(
    name: Deployed = None,
    force: Annotated[
        bool, typer.Option("--force", help="Take the lock away; a command of this machine that holds it is ended.")
    ] = False,
    *,
    settings: Annotated[Settings, PROJECT, ENGINE],
    output: Output,
) -> None:
    output.show(deployer.unlock(name, force=force, settings=settings), console.deployments.show_unlock)
