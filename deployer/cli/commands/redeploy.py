"""Serve another version without downtime.

It is verified first and takes the place of the current one; no request fails during the change.

deployer redeploy digits
deployer redeploy digits --version 7 --keep-previous
"""

from __future__ import annotations

from typing import Annotated

import typer

import deployer
from deployer.cli.options import QUIET, VERBOSE, Deployed, DryRun, OfModel, Output
from deployer.config.options import COMPARISON, CONTAINER, ENGINE, GATE, LOCK, PROJECT, STORE, Settings


def redeploy(
    name: Deployed = None,
    version: Annotated[int | None, typer.Option(help="The version to serve; unset: the newest in the store.")] = None,
    model: OfModel = None,
    keep_previous: Annotated[
        bool, typer.Option("--keep-previous", help="Keep the one that served loaded: `rollback` loads nothing then.")
    ] = False,
    dry_run: DryRun = False,
    *,
    settings: Annotated[Settings, PROJECT, ENGINE, STORE, CONTAINER, GATE, COMPARISON, LOCK],
    output: Annotated[Output, QUIET, VERBOSE],
) -> None:
    result = deployer.redeploy(
        name,
        version=version,
        model=model,
        keep_previous=keep_previous,
        settings=settings,
        dry_run=dry_run,
        progress=output.progress,
    )
    output.show_change(result)
