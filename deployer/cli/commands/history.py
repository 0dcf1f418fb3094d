"""Show what was deployed when, and by whom.

deployer history digits
deployer history --all
"""

from __future__ import annotations

from typing import Annotated

from typer import Argument, Option

import deployer
from deployer import console
from deployer.cli.options import Output
from deployer.config.options import PROJECT, Settings


def history(
    name: Annotated[str | None, Argument(metavar="NAME", help="The deployment; unset: all.")] = None,
    everything: Annotated[bool, Option("--all", help="All environments.")] = False,
    *,
    settings: Annotated[Settings, PROJECT],
    output: Output,
) -> None:
    with output.partial_results(console.deployments.show_releases):
        result = deployer.history(name, all_envs=everything, settings=settings)
        output.show(result, console.deployments.show_history)
