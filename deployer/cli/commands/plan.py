"""Show what `up` would do, and do nothing.

Of an image that the engine lacks, the plan is that it is pulled: what is inside is not known before.

deployer plan model.keras --name digits
deployer plan --env staging --exit-code
"""

from __future__ import annotations

from typing import Annotated

from typer import Option

from deployer.cli.commands.up import up
from deployer.cli.options import Output, Target
from deployer.config.options import (
    ADDRESS,
    COMPARISON,
    CONTAINER,
    ENGINE,
    GATE,
    MEASURE,
    PROJECT,
    REPLICAS,
    STORE,
    TEMPLATES,
    Settings,
)
from deployer.rollout.export_options import ExportOptions


def plan(
    target: Target = None,
    exit_code: Annotated[bool, Option("--exit-code", help="Exit 20 when there is something to do.")] = False,
    *,
    options: ExportOptions,
    settings: Annotated[
        Settings, PROJECT, ENGINE, STORE, CONTAINER, TEMPLATES, ADDRESS, REPLICAS, GATE, MEASURE, COMPARISON
    ],
    output: Output,
) -> None:
    up(target, dry_run=True, exit_code=exit_code, options=options, settings=settings, output=output)
