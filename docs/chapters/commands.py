"""The commands with their arguments and options, as the command line declares them."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import typer

from chapters.markdown import code, first_line, table
from deployer import cli


def commands() -> dict[str, Any]:
    """Every command that `deployer --help` lists, by its name."""
    return dict(_flattened("", typer.main.get_command(cli.app)))


def _flattened(words: str, group: Any) -> Iterator[tuple[str, Any]]:
    """Every command of a group by the words that are typed for it."""
    for name, command in group.commands.items():
        if hasattr(command, "commands"):
            yield from _flattened(f"{words}{name} ", command)
        elif not command.hidden:
            yield f"{words}{name}", command


def text() -> str:
    """The chapter."""
    head = "## Commands\n\n`deployer COMMAND --help` prints the same. `ps` is an alias of `status`.\n"
    return "\n".join((head, *(_section(name, command) for name, command in commands().items())))


def _section(name: str, command: Any) -> str:
    context = typer.Context(command, info_name=f"deployer {name}")
    usage = " ".join(("deployer", name, *command.collect_usage_pieces(context)))
    records = filter(None, (parameter.get_help_record(context) for parameter in command.params))
    rows = ((code(spelled), " ".join(meaning.split())) for spelled, meaning in records)
    examples = "\n".join(line.strip() for line in (command.epilog or "").splitlines()[1:] if line.strip())
    parts = (f"### {name}", first_line(command.help), f"    {usage}", table(("Takes", "Meaning"), rows).strip())
    return "\n\n".join((*parts, f"```\n{examples}\n```")) + "\n"
