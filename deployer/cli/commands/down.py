"""Stop and remove a deployment.

Removes all that was made for it. The store stays.

deployer down digits
deployer down --all
"""

from __future__ import annotations

import sys
from functools import partial
from typing import Annotated

import typer
from typer import Option

import deployer
from deployer import console
from deployer.cli.options import PROGRESS, QUIET, Deployed, Output
from deployer.config.options import ENGINE, LOCATION, LOCK, PROJECT, Settings
from deployer.errors import UsageError


def down(
    name: Deployed = None,
    everything: Annotated[bool, Option("--all", help="Every deployment of the project, in all environments.")] = False,
    all_projects: Annotated[
        bool, Option("--all-projects", help="With --all: also deployments of other projects.")
    ] = False,
    yes: Annotated[bool, Option("--yes", "-y", help="Do not ask before deployments of other projects go.")] = False,
    *,
    settings: Annotated[Settings, PROJECT, ENGINE, LOCK],
    output: Annotated[Output, QUIET, PROGRESS],
) -> None:
    _check(name, everything, all_projects, settings.typed("env"), settings.typed(*LOCATION))
    if not everything:
        result = deployer.down(name, settings=settings, progress=output.report)
        output.show(result, lambda one: console.deployments.show_down([one]))
        return
    confirm = (lambda _: True) if yes else partial(_confirm, settings.typed(*LOCATION))
    with output.partial_results(console.deployments.show_down):
        removed = deployer.down_all(
            all_projects=all_projects, confirm=confirm, settings=settings, progress=output.report
        )
        output.show({"deployments": removed}, lambda _: console.deployments.show_down(removed))


def _check(name: str | None, everything: bool, all_projects: bool, env: str, location: str) -> None:
    """Raise UsageError for options that contradict each other; `env` and `location` are options for the hints."""
    if all_projects and not everything:
        raise UsageError("--all-projects goes with --all", hint=f"deployer down --all --all-projects{location}")
    if everything and name is not None:
        hint = f"deployer down {name}{env}{location}"
        raise UsageError(f"--all means every deployment, and {name} is one", hint=hint)


def _confirm(location: str, deployments: tuple[str, ...]) -> bool:
    """Ask at the terminal whether deployments of other projects may go. Raises UsageError for no, or without one."""
    listed = "\n".join(f"  {deployment}" for deployment in deployments)
    if not sys.stdin.isatty():
        raise UsageError(f"these belong to other projects:\n{listed}", hint="--yes removes them without a question")
    console.phases.end()
    console.terminal.write(f"These belong to other projects:\n{listed}", sys.stderr)
    if not typer.confirm("Remove them, too?", err=True):
        raise UsageError("nothing was removed", hint=f"deployer down --all{location} removes this project's alone")
    return True
