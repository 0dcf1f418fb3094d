"""Show a model's signatures and size.

Reads signatures with dtypes and shapes, the size and TensorFlow's version, without importing TensorFlow.

deployer inspect digits
deployer inspect digits:2 --json
deployer inspect path/to/saved_model
"""

from __future__ import annotations

from typing import Annotated

from typer import Argument

import deployer
from deployer import console
from deployer.cli.options import Output
from deployer.config.options import ENGINE, PROJECT, STORE, Settings


def inspect(
    target: Annotated[
        str, Argument(metavar="PATH | NAME[:VERSION]", help="A SavedModel directory, or a model in the store.")
    ],
    settings: Annotated[Settings, PROJECT, ENGINE, STORE],
    output: Output,
) -> None:
    output.show(deployer.inspect(target, settings=settings), console.versions.show_inspect)
