"""Show or take away a deployment's lock.

deployer unlock digits
deployer unlock digits --force
"""

from __future__ import annotations

from typing import Annotated

from typer import Option

import deployer
from deployer import console
from deployer.cli.options import Deployed, Output
from deployer.config.options import ENGINE, PROJECT, Settings


def unlock(
    name: Deployed = None,
    force: Annotated[
        bool, Option("--force", help="Take the lock away, and terminate its owner on this machine.")
    ] = False,
    *,
    settings: Annotated[Settings, PROJECT, ENGINE],
    output: Output,
) -> None:
    output.show(deployer.unlock(name, force=force, settings=settings), console.deployments.show_unlock)
