"""Serve another version without downtime.

The version is verified before it replaces the current one. No request fails during the change.

It replaces the version labelled `stable`, or the highest one if none has that label; all labels of that version move to
the new one. Versions that other labels point to stay, and others are unloaded. Requests without a version go to the
highest loaded version, so a higher one is unloaded, unless a label points to it.

deployer redeploy digits
deployer redeploy digits --version 7 --keep-previous
"""

from __future__ import annotations

from typing import Annotated

from typer import Option

import deployer
from deployer.cli.options import PROGRESS, QUIET, VERBOSE, Deployed, DryRun, OfModel, Output
from deployer.config.options import (
    COMPARISON,
    CONTAINER,
    ENGINE,
    GATE,
    LOCK,
    MEASURE,
    PROJECT,
    REPLICAS,
    STORE,
    Settings,
)


def redeploy(
    name: Deployed = None,
    version: Annotated[int | None, Option(help="The version to serve; unset: the newest in the store.")] = None,
    model: OfModel = None,
    keep_previous: Annotated[
        bool, Option("--keep-previous", help="Keep the replaced version loaded, for a fast rollback.")
    ] = False,
    dry_run: DryRun = False,
    *,
    settings: Annotated[Settings, PROJECT, ENGINE, STORE, CONTAINER, REPLICAS, GATE, MEASURE, COMPARISON, LOCK],
    output: Annotated[Output, QUIET, PROGRESS, VERBOSE],
) -> None:
    result = deployer.redeploy(
        name,
        version=version,
        model=model,
        keep_previous=keep_previous,
        settings=settings,
        dry_run=dry_run,
        progress=output.report,
    )
    output.show_change(result)
