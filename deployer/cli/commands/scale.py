"""Change the number of servers on a Swarm.

New servers take requests once they are healthy; servers in excess answer their requests before they stop.

deployer scale digits 5
deployer scale digits 2 --dry-run
"""

from __future__ import annotations

from typing import Annotated

from typer import Argument

import deployer
from deployer.cli.options import PROGRESS, QUIET, VERBOSE, DryRun, Output
from deployer.config.options import ENGINE, LOCK, PROJECT, Settings


def scale(
    name: Annotated[str, Argument(metavar="NAME", help="The deployment.")],
    replicas: Annotated[int, Argument(metavar="N", help="The number of servers.")],
    dry_run: DryRun = False,
    *,
    settings: Annotated[Settings, PROJECT, ENGINE, LOCK],
    output: Annotated[Output, QUIET, PROGRESS, VERBOSE],
) -> None:
    output.show_change(deployer.scale(name, replicas, settings=settings, dry_run=dry_run, progress=output.report))
