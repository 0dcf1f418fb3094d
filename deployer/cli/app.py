"""The application: its help, its version, its exit codes, its commands."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from functools import cache
from importlib import import_module
from pathlib import Path
from typing import Annotated, Any, cast

import typer
from typer.core import TyperGroup

from deployer import __version__
from deployer.cli.command import built, summary
from deployer.errors import exit_codes

EXIT_CODES = "Exit codes: " + " · ".join(f"{code} {meaning}" for code, meaning in exit_codes().items())
FIRST = (
    "init export up plan redeploy label rollback down unlock status history logs smoke predict versions prune diff "
    "inspect render token doctor"
).split()
"""The order in which a person meets the commands. One that is missing here comes last."""
HIDDEN = {"ps": "status"}
"""Other names of commands."""


@cache
def names() -> tuple[str, ...]:
    """The commands: a module in `commands/` for each."""
    found = {path.stem for path in (Path(__file__).parent / "commands").glob("[!_]*.py")}
    return (*(name for name in FIRST if name in found), *sorted(found - {*FIRST}), *HIDDEN)


def function(name: str) -> Callable[..., None]:
    """The function of a command. Only what is asked for is imported: all of them take longer than most commands."""
    module = HIDDEN.get(name, name)
    return cast("Callable[..., None]", getattr(import_module(f"deployer.cli.commands.{module}"), module))


class Commands(Mapping[str, Any]):
    """The commands by their names, each built when it is asked for."""

    def __getitem__(self, name: str) -> Any:
        if name not in names():
            raise KeyError(name)
        return built(function(name), name, name in HIDDEN)

    def __iter__(self) -> Iterator[str]:
        return iter(names())

    def __len__(self) -> int:
        return len(names())


class Group(TyperGroup):
    """The application with its commands."""

    def __init__(self, **settings: Any) -> None:
        super().__init__(**settings)
        self.commands = Commands()  # type: ignore[assignment]

    def list_commands(self, ctx: typer.Context) -> list[str]:  # type: ignore[override]
        """By their names alone."""
        del ctx
        return list(names())

    def format_commands(self, ctx: typer.Context, formatter: Any) -> None:  # type: ignore[override]
        """By their summaries alone: no command is built for that."""
        del ctx
        with formatter.section("Commands"):
            formatter.write_dl([(name, summary(function(name))) for name in names() if name not in HIDDEN])


app = typer.Typer(
    name="deployer",
    cls=Group,
    help="From a trained TensorFlow model to a proven TensorFlow Serving endpoint.",
    epilog=EXIT_CODES,
    no_args_is_help=True,
    rich_markup_mode=None,
    add_completion=True,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 110},
)


def _print_version(asked: bool) -> None:
    if asked:
        typer.echo(f"deployer {__version__}")
        raise typer.Exit


@app.callback()
def main(
    version: Annotated[
        bool, typer.Option("--version", callback=_print_version, is_eager=True, help="Print the version and exit.")
    ] = False,
) -> None:
    """From a trained TensorFlow model to a proven TensorFlow Serving endpoint."""
