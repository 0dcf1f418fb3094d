"""`deployer status`."""

from __future__ import annotations

from typing import Annotated

import typer

from deployer.cli.command import command
from deployer.cli.options import Deployed, Output
from deployer.config.options import ENGINE, PROJECT, Settings


@command("deployer status", "deployer status --all --json", "deployer status a --exit-code")
def status(
    name: Deployed = None,
    everything: Annotated[bool, typer.Option("--all", help="All environments of the project.")] = False,
    all_projects: Annotated[
        bool, typer.Option("--all-projects", help="Everything that the engines have, of any project.")
    ] = False,
    exit_code: Annotated[
        bool, typer.Option("--exit-code", help="Exit 7 when one is not serving, 10 when nothing is deployed.")
    ] = False,
    *,
    settings: Annotated[Settings, PROJECT, ENGINE],
    output: Output,
) -> None:
    """Show what is deployed and how it runs."""
    from deployer import console
    from deployer.errors import DeploymentNotFound, NotReady
    from deployer.operations.status import status as run

    with output.partly(console.show_status):
        found = run(name, all_envs=everything, all_projects=all_projects, settings=settings, progress=console.note)
        output.show({"deployments": found}, lambda _: console.show_status(found))
    if exit_code and not found:
        raise typer.Exit(DeploymentNotFound.exit_code)
    if exit_code and not all(each.healthy for each in found):
        raise typer.Exit(NotReady.exit_code)
