"""Show a model's signatures and size.

Signatures with dtypes and shapes, size and TensorFlow's version are read without TensorFlow.

deployer inspect digits
deployer inspect digits:2 --json
deployer inspect path/to/saved_model
"""

from __future__ import annotations

from typing import Annotated

import typer

import deployer
from deployer import console
from deployer.cli.options import Output
from deployer.config.options import STORE, Settings


def inspect(
    target: Annotated[
        str, typer.Argument(metavar="PATH | NAME[:VERSION]", help="A SavedModel folder, or a model in the store.")
    ],
    settings: Annotated[Settings, STORE],
    output: Output,
) -> None:
    output.show(deployer.inspect(target, settings=settings), console.versions.show_inspect)
