"""`deployer down`."""

from __future__ import annotations

import sys
from typing import Annotated

import typer

from deployer.cli.command import command
from deployer.cli.options import QUIET, Deployed, Output
from deployer.config.options import ENGINE, LOCK, PROJECT, Settings
from deployer.errors import UsageError


@command("deployer down digits", "deployer down --all")
def down(
    name: Deployed = None,
    everything: Annotated[
        bool, typer.Option("--all", help="Every deployment of the project, in all environments.")
    ] = False,
    all_projects: Annotated[
        bool, typer.Option("--all-projects", help="With --all: those of all other projects on the engines, too.")
    ] = False,
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Do not ask before those of other projects go.")] = False,
    *,
    settings: Annotated[Settings, PROJECT, ENGINE, LOCK],
    output: Annotated[Output, QUIET],
) -> None:
    """Stop and remove a deployment.

    All that was made for it is removed; the store stays.
    """
    from deployer import console
    from deployer.operations.down import down as run
    from deployer.operations.down import down_all

    _refuse_contradictions(name, everything=everything, all_projects=all_projects)
    if not everything:
        result = run(name, settings=settings, progress=output.progress)
        output.show(result, lambda one: console.show_down([one]))
        return
    with output.partly(console.show_down):
        confirm = (lambda _: True) if yes else _may_remove
        results = down_all(all_projects=all_projects, confirm=confirm, settings=settings, progress=output.progress)
        output.show({"deployments": results}, lambda _: console.show_down(results))


def _refuse_contradictions(name: str | None, *, everything: bool, all_projects: bool) -> None:
    """Options that do not go together. Raises UsageError."""
    if all_projects and not everything:
        raise UsageError("--all-projects goes with --all", hint="deployer down --all --all-projects")
    if everything and name is not None:
        raise UsageError(f"--all means every deployment, and {name} is one", hint=f"deployer down {name}")


def _may_remove(others: tuple[str, ...]) -> bool:
    """The answer of the person at the terminal. Raises UsageError where there is none."""
    listed = "\n".join(f"  {each}" for each in others)
    if not sys.stdin.isatty():
        raise UsageError(f"these belong to other projects:\n{listed}", hint="--yes removes them without a question")
    typer.echo(f"These belong to other projects:\n{listed}", err=True)
    if not typer.confirm("Remove them, too?", err=True):
        raise UsageError("nothing was removed", hint="deployer down --all removes this project's alone")
    return True
