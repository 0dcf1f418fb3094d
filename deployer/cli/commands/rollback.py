"""Serve an earlier release again.

The same files are verified again before they take traffic. Changes of signatures that break clients are not refused: a
note names them, with `--dry-run` too.

deployer rollback digits
deployer rollback digits --to 3 --dry-run
"""

from __future__ import annotations

from typing import Annotated

from typer import Option

import deployer
from deployer.cli.options import PROGRESS, QUIET, VERBOSE, Deployed, DryRun, Output
from deployer.config.options import ENGINE, GATE, LOCK, MEASURE, PROJECT, STORE, Settings


def rollback(
    name: Deployed = None,
    to: Annotated[
        int | None, Option(help="Number of a release; unset: the last good one with other versions or labels.")
    ] = None,
    dry_run: DryRun = False,
    *,
    settings: Annotated[Settings, PROJECT, ENGINE, STORE, GATE, MEASURE, LOCK],
    output: Annotated[Output, QUIET, PROGRESS, VERBOSE],
) -> None:
    output.show_change(deployer.rollback(name, to=to, settings=settings, dry_run=dry_run, progress=output.report))
