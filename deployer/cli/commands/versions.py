"""List the versions in the store.

deployer versions
deployer versions digits --json
"""

from __future__ import annotations

from functools import partial
from typing import Annotated

from typer import Argument

import deployer
from deployer import console
from deployer.cli.options import Output
from deployer.config.options import STORE, Settings


def versions(
    name: Annotated[str | None, Argument(metavar="NAME", help="A model; unset: all.")] = None,
    *,
    settings: Annotated[Settings, STORE],
    output: Output,
) -> None:
    options = settings.typed("env", "config", "models_dir")
    output.show(deployer.versions(name, settings=settings), partial(console.versions.show_versions, options=options))
