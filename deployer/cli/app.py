"""The application: its help, its version, its exit codes."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from importlib import import_module
from typing import Annotated, Any

import typer
from typer.core import TyperGroup
from typer.main import get_command_from_info
from typer.models import CommandInfo

from deployer import __version__
from deployer.errors import exit_codes

EXIT_CODES = "Exit codes: " + " · ".join(f"{code} {meaning}" for code, meaning in exit_codes().items())

HOMES = {
    "init": "storing",
    "export": "storing",
    "up": "deploying",
    "plan": "deploying",
    "redeploy": "changing",
    "label": "changing",
    "rollback": "past",
    "down": "deploying",
    "unlock": "locking",
    "status": "asking",
    "ps": "asking",
    "history": "past",
    "logs": "asking",
    "smoke": "asking",
    "predict": "asking",
    "versions": "storing",
    "prune": "storing",
    "diff": "storing",
    "inspect": "storing",
    "render": "storing",
    "token": "guarding",
    "doctor": "asking",
}
"""The file beside this one that has a verb; in the order in which a person meets them."""

verbs = typer.Typer()
"""Where those files leave their verbs."""


class Verbs(Mapping[str, Any]):
    """The verbs as commands. Only what is asked for is imported and built: all of them take longer than most verbs."""

    def __getitem__(self, name: str) -> Any:
        import_module(f"deployer.cli.{HOMES[name]}")
        (found,) = (each for each in verbs.registered_commands if _name(each) == name)
        return get_command_from_info(found, pretty_exceptions_short=False, rich_markup_mode=None)

    def __iter__(self) -> Iterator[str]:
        return iter(HOMES)

    def __len__(self) -> int:
        return len(HOMES)


def _name(verb: CommandInfo) -> str:
    return verb.name or str(getattr(verb.callback, "__name__", ""))


class Group(TyperGroup):
    """The application with its verbs."""

    def __init__(self, **settings: Any) -> None:
        super().__init__(**settings)
        self.commands = Verbs()  # type: ignore[assignment]

    def list_commands(self, ctx: typer.Context) -> list[str]:  # type: ignore[override]
        """By their names alone."""
        del ctx
        return list(HOMES)


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
