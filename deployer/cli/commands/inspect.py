"""`deployer inspect`."""

from __future__ import annotations

from typing import Annotated

import typer

from deployer.cli.command import command
from deployer.cli.options import Output
from deployer.config.options import STORE, Settings


@command("deployer inspect digits", "deployer inspect digits:2 --json", "deployer inspect path/to/saved_model")
def inspect(
    target: Annotated[
        str, typer.Argument(metavar="PATH | NAME[:VERSION]", help="A SavedModel folder, or a model in the store.")
    ],
    settings: Annotated[Settings, STORE],
    output: Output,
) -> None:
    """Show a model's signatures and size.

    Signatures with dtypes and shapes, size and TensorFlow's version are read without TensorFlow.
    """
    from deployer import console
    from deployer.operations.inspect import inspect as run

    output.show(run(target, settings=settings), console.show_inspect)
