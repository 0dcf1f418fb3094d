"""`deployer up`."""

from __future__ import annotations

from typing import Annotated

import typer

from deployer.cli.command import command
from deployer.cli.options import QUIET, VERBOSE, DryRun, Output, Target
from deployer.cli.outdated import naming_the_plan
from deployer.config.options import (
    ADDRESS,
    COMPARISON,
    CONTAINER,
    ENGINE,
    GATE,
    LOCK,
    PROJECT,
    STORE,
    TEMPLATES,
    Settings,
)
from deployer.errors import PLAN_HAS_CHANGES, UsageError
from deployer.rollout.export_options import ExportOptions


@command(
    "deployer up model.keras --name digits",
    "deployer up digits:2",
    "deployer up --env staging",
    "deployer up train.py:model --rest-port 0 --grpc-port 0 --json",
)
def up(
    target: Target = None,
    dry_run: DryRun = False,
    expect: Annotated[
        str | None, typer.Option(metavar="DIGEST", help="Do this plan, whose digest `plan` showed, or nothing.")
    ] = None,
    exit_code: Annotated[
        bool, typer.Option("--exit-code", help="With --dry-run: exit 20 when there is something to do.")
    ] = False,
    *,
    options: ExportOptions,
    settings: Annotated[Settings, PROJECT, ENGINE, STORE, CONTAINER, TEMPLATES, ADDRESS, GATE, COMPARISON, LOCK],
    output: Annotated[Output, QUIET, VERBOSE],
) -> None:
    """Deploy a model, verified before it serves.

    Exports it if needed, starts a server, verifies it, and only then opens the ports. Run again, it changes nothing.
    """
    from deployer import console
    from deployer.operations.up import up as run

    if exit_code and not dry_run:
        raise UsageError("--exit-code goes with --dry-run", hint="add --dry-run, or type deployer plan --exit-code")
    with naming_the_plan():
        result = run(
            target, options=options, settings=settings, dry_run=dry_run, expect=expect, progress=output.progress
        )
    output.show_change(result)
    if not (output.quiet or output.json):
        console.show_next_steps(result)
    if exit_code and result.plan.is_change:
        raise typer.Exit(PLAN_HAS_CHANGES)
