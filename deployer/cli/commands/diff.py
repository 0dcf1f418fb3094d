"""Compare two versions of a model.

Says whether clients of one can go on with the other, and how far their answers are apart; exit 20 if they cannot.

deployer diff digits 3 4
deployer diff digits 3 4 --signatures --json
"""

from __future__ import annotations

from typing import Annotated

import typer

import deployer
from deployer import console
from deployer.cli.options import QUIET, Output
from deployer.config.options import STORE, Settings
from deployer.errors import BREAKING
from deployer.results.model import check_version


def diff(
    name: Annotated[str, typer.Argument(metavar="NAME", help="A model in the store.")],
    before: Annotated[str, typer.Argument(metavar="A", help="The version that clients know.")],
    after: Annotated[str, typer.Argument(metavar="B", help="The version that they would get.")],
    signatures: Annotated[
        bool, typer.Option("--signatures", help="Compare signatures alone; run neither version.")
    ] = False,
    *,
    settings: Annotated[Settings, STORE],
    output: Annotated[Output, QUIET],
) -> None:
    versions = check_version(before), check_version(after)
    result = deployer.diff(name, *versions, numbers=not signatures, settings=settings, progress=output.progress)
    output.show(result, console.versions.show_diff)
    if result.breaking:
        raise typer.Exit(BREAKING)
