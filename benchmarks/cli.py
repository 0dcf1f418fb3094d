"""What the command line costs before it does anything: whole processes against the smallest Typer app."""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path

from measure import DEPLOYER, alternate, process, show

ROUNDS = 15
TWO_COMMANDS = '''
import typer

app = typer.Typer(rich_markup_mode=None)


@app.command()
def first(name: str) -> None:
    """One."""


@app.command()
def second(name: str, count: int = 1) -> None:
    """Two."""


app()
'''


def main() -> None:
    """`--help` and `--version` against the app's `--help`."""
    with tempfile.TemporaryDirectory() as directory:
        app = Path(directory) / "app.py"
        app.write_text(TWO_COMMANDS)
        candidates = {
            "a Typer app of two commands, --help": process(sys.executable, str(app), "--help"),
            "deployer --help": process(DEPLOYER, "--help"),
            "deployer --version": process(DEPLOYER, "--version"),
            "deployer status --json, nothing deployed": process(DEPLOYER, "status", "--json", cwd=Path(directory)),
        }
        show("The command line", alternate(ROUNDS, candidates), "a Typer app of two commands, --help")
