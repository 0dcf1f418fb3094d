"""Remove old versions from the store.

A version stays if something serves it, if rollback needs it, or if it is new.

deployer prune --dry-run
deployer prune digits --keep 5
"""

from __future__ import annotations

from typing import Annotated

import typer

import deployer
from deployer import console
from deployer.cli.options import Output
from deployer.config.options import LOCK, PROJECT, STORE, Settings


def prune(
    name: Annotated[str | None, typer.Argument(metavar="MODEL", help="Unset: every model of the store.")] = None,
    keep: Annotated[int, typer.Option(metavar="N", help="How many of the newest versions stay in any case.")] = 3,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Show what would be removed, and remove nothing.")] = False,
    *,
    settings: Annotated[Settings, PROJECT, STORE, LOCK],
    output: Output,
) -> None:
    output.show(deployer.prune(name, keep=keep, settings=settings, dry_run=dry_run), console.versions.show_prune)
