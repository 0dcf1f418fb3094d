"""The application: its help, its version, its exit codes."""

from __future__ import annotations

from typing import Annotated

import typer
from typer.core import TyperGroup

from deployer import __version__
from deployer.errors import exit_codes

EXIT_CODES = "Exit codes: " + " · ".join(f"{code} {meaning}" for code, meaning in exit_codes().items())

ORDER = (
    "init export up plan redeploy label rollback down unlock status ps history logs smoke predict versions prune diff "
    "inspect render token doctor"
).split()


class InOrder(TyperGroup):
    """The verbs in the order in which a person meets them."""

    def list_commands(self, ctx: typer.Context) -> list[str]:  # type: ignore[override]
        """Those of ORDER; a verb that is missing there fails at once."""
        return sorted(super().list_commands(ctx), key=ORDER.index)


app = typer.Typer(
    name="deployer",
    cls=InOrder,
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
