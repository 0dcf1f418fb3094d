"""`deployer rollback`."""

from __future__ import annotations

from typing import Annotated

import typer

from deployer.cli.command import command
from deployer.cli.options import QUIET, VERBOSE, Deployed, DryRun, Output
from deployer.config.options import ENGINE, GATE, LOCK, PROJECT, Settings


@command("deployer rollback digits", "deployer rollback digits --to 3 --dry-run")
def rollback(
    name: Deployed = None,
    to: Annotated[
        int | None, typer.Option(help="Number of a release; unset: the last good one that served others.")
    ] = None,
    dry_run: DryRun = False,
    *,
    settings: Annotated[Settings, PROJECT, ENGINE, GATE, LOCK],
    output: Annotated[Output, QUIET, VERBOSE],
) -> None:
    """Serve an earlier release again.

    It serves the same bytes as then, verified again before they take traffic. Signatures that break clients are no
    reason to refuse here: a note names them, with `--dry-run` too.
    """
    from deployer.operations.rollback import rollback as run

    output.show_change(run(name, to=to, settings=settings, dry_run=dry_run, progress=output.progress))
