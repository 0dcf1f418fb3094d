"""Asks before what belongs to other projects is removed."""

from __future__ import annotations

import sys

import typer

from deployer.errors import UsageError


def refuse_unmeant(name: str | None, everything: bool, all_projects: bool) -> None:
    """Options of `down` that do not go together. Raises UsageError."""
    if all_projects and not everything:
        raise UsageError("--all-projects goes with --all", hint="deployer down --all --all-projects")
    if everything and name is not None:
        raise UsageError(f"--all means every deployment, and {name} is one", hint=f"deployer down {name}")


def may_remove(others: tuple[str, ...]) -> bool:
    """The answer of the person at the terminal. Raises UsageError where there is none."""
    listed = "\n".join(f"  {each}" for each in others)
    if not sys.stdin.isatty():
        raise UsageError(f"these belong to other projects:\n{listed}", hint="--yes removes them without a question")
    typer.echo(f"These belong to other projects:\n{listed}", err=True)
    if not typer.confirm("Remove them, too?", err=True):
        raise UsageError("nothing was removed", hint="deployer down --all removes this project's alone")
    return True
