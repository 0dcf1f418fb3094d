"""Deploy a model, verified before it serves.

Exports it if needed, starts a server, verifies it, and only then opens the ports. (On Docker without a gateway, the
ports of the first server are open from its start; it is removed if it fails.) Run again, it changes nothing.

deployer up model.keras --name digits
deployer up digits:2
deployer up --env staging
deployer up registry.example.com/team/digits@sha256:DIGEST
deployer up train.py:model --rest-port 0 --grpc-port 0 --json
"""

from __future__ import annotations

import re
import shlex
import sys
from typing import Annotated

from typer import Exit, Option

import deployer
from deployer import console
from deployer.cli.options import PROGRESS, QUIET, VERBOSE, DryRun, Output, Target
from deployer.config.options import (
    ADDRESS,
    COMPARISON,
    CONTAINER,
    ENGINE,
    GATE,
    LOCATION,
    LOCK,
    MEASURE,
    PROJECT,
    REPLICAS,
    STORE,
    TEMPLATES,
    Settings,
)
from deployer.errors import PLAN_HAS_CHANGES, PlanOutdated, UsageError
from deployer.rollout.export_options import ExportOptions

EXPECT = (
    "Execute only the plan with this digest, which `plan` shows. It covers the address of the engine, what is undone "
    "first, sources that are files or directories, stored versions and settings, but no values of docker.environment. "
    "An export of code may find its content in the store: "
    "then that version is deployed instead of a new one."
)


def up(
    target: Target = None,
    dry_run: DryRun = False,
    expect: Annotated[str | None, Option(metavar="DIGEST", help=EXPECT)] = None,
    exit_code: Annotated[
        bool, Option("--exit-code", help="With --dry-run: exit 20 when there is something to do.")
    ] = False,
    *,
    options: ExportOptions,
    settings: Annotated[
        Settings, PROJECT, ENGINE, STORE, CONTAINER, TEMPLATES, ADDRESS, REPLICAS, GATE, MEASURE, COMPARISON, LOCK
    ],
    output: Annotated[Output, QUIET, PROGRESS, VERBOSE],
) -> None:
    if exit_code and not dry_run:
        raise UsageError("--exit-code goes with --dry-run", hint="add --dry-run, or type deployer plan --exit-code")
    try:
        result = deployer.up(
            target, options=options, settings=settings, dry_run=dry_run, expect=expect, progress=output.report
        )
    except PlanOutdated as error:
        error.hint = f"{_as_dry_run(sys.argv[1:])} shows it, with its digest"
        raise
    location, store = settings.typed_anywhere(*LOCATION), settings.typed_anywhere("models_dir")
    output.show_change(result, console.deployments.next_steps(result, location, store))
    if exit_code and result.plan.is_change:
        raise Exit(PLAN_HAS_CHANGES)


def _as_dry_run(arguments: list[str]) -> str:
    return f"deployer {re.sub(r'--expect[ =][^ ]+ ?', '', shlex.join(arguments)).strip()} --dry-run"
