"""Remove old versions from the store.

A version stays if something serves it, if rollback needs it, or if it is new.

deployer prune --dry-run
deployer prune digits --keep 5
"""

from __future__ import annotations

from functools import partial
from typing import Annotated

from typer import Argument, Option

import deployer
from deployer import console
from deployer.cli.options import Output
from deployer.config.options import LOCK, PROJECT, STORE, Settings


def prune(
    name: Annotated[str | None, Argument(metavar="MODEL", help="A model; unset: all.")] = None,
    keep: Annotated[int, Option(metavar="N", help="Number of the newest versions to keep in any case.")] = 3,
    dry_run: Annotated[bool, Option("--dry-run", help="Show what would be removed, and remove nothing.")] = False,
    *,
    settings: Annotated[Settings, PROJECT, STORE, LOCK],
    output: Output,
) -> None:
    options = settings.typed("env", "config", "models_dir")
    result = deployer.prune(name, keep=keep, settings=settings, dry_run=dry_run)
    output.show(result, partial(console.versions.show_prune, options=options))
