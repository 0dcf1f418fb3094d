"""Verbs of what was: history, rollback."""

from __future__ import annotations

from typing import Annotated

import typer

from deployer.cli.app import verbs
from deployer.cli.options import (
    Config,
    Deployed,
    DryRun,
    EngineName,
    Env,
    Json,
    LockWait,
    MaxFailures,
    MaxGap,
    Measure,
    Project,
    Quiet,
    SkipGate,
    StateDir,
    Timeout,
    examples_text,
    progress_of,
    settings_of,
    show,
)


@verbs.command(epilog=examples_text("deployer history digits", "deployer history --all"))
def history(
    name: Annotated[str | None, typer.Argument(metavar="NAME", help="The deployment; unset: every one.")] = None,
    everything: Annotated[bool, typer.Option("--all", help="Of all environments.")] = False,
    state_dir: StateDir = None,
    config: Config = None,
    project: Project = None,
    env: Env = None,
    json: Json = False,
) -> None:
    """Show what was deployed when, by whom, and how it ended."""
    from deployer import console
    from deployer.operations.history import history as run

    settings = settings_of(locals())
    show(run(name, all_envs=everything, settings=settings), json, console.show_history)


@verbs.command(epilog=examples_text("deployer rollback digits", "deployer rollback digits --to 3 --dry-run"))
def rollback(
    name: Deployed = None,
    to: Annotated[
        int | None, typer.Option(help="Number of a release; unset: the last good one that served others.")
    ] = None,
    skip_gate: SkipGate = False,
    measure: Measure = None,
    max_failures: MaxFailures = None,
    max_gap_ms: MaxGap = None,
    dry_run: DryRun = False,
    engine: EngineName = None,
    timeout: Timeout = None,
    lock_wait: LockWait = 0.0,
    state_dir: StateDir = None,
    config: Config = None,
    project: Project = None,
    env: Env = None,
    quiet: Quiet = False,
    json: Json = False,
) -> None:
    """Serve again what a release of the history served: the same bytes, proven again before they take traffic.

    Signatures that break clients are no reason to refuse here: a note names them, with `--dry-run` too.
    """
    from deployer import console
    from deployer.operations.rollback import rollback as run

    settings = settings_of(locals())
    result = run(name, to=to, settings=settings, dry_run=dry_run, progress=progress_of(quiet))
    show(result, json, console.show_up_quietly if quiet else console.show_up)
