"""Show what is deployed and how it runs.

deployer status
deployer status --all --json
deployer status a --exit-code
"""

from __future__ import annotations

from typing import Annotated

from typer import Exit, Option

import deployer
from deployer import console
from deployer.cli.options import Deployed, Output
from deployer.config.options import ENGINE, PROJECT, Settings
from deployer.errors import DeploymentNotFound, NotReady


def status(
    name: Deployed = None,
    everything: Annotated[bool, Option("--all", help="All environments of the project.")] = False,
    all_projects: Annotated[
        bool, Option("--all-projects", help="All deployments on the engines, of any project.")
    ] = False,
    exit_code: Annotated[
        bool, Option("--exit-code", help="Exit 7 when one is not serving, 10 when nothing is deployed.")
    ] = False,
    *,
    settings: Annotated[Settings, PROJECT, ENGINE],
    output: Output,
) -> None:
    with output.partial_results(console.deployments.show_status):
        statuses = deployer.status(
            name, all_envs=everything, all_projects=all_projects, settings=settings, progress=console.phases.show
        )
        output.show({"deployments": statuses}, lambda _: console.deployments.show_status(statuses))
    if exit_code and not statuses:
        raise Exit(DeploymentNotFound.exit_code)
    if exit_code and not all(each.healthy for each in statuses):
        raise Exit(NotReady.exit_code)
