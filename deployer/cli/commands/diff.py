"""Compare two versions of a model.

Reports changes of signatures and differences of answers. Exits with 20 for a change that breaks clients.

deployer diff digits 3 4
deployer diff digits 3 4 --signatures --json
"""

from __future__ import annotations

from typing import Annotated

from typer import Argument, Exit, Option

import deployer
from deployer import console
from deployer.cli.options import PROGRESS, QUIET, Output
from deployer.config.options import STORE, Settings
from deployer.errors import BREAKING
from deployer.results.model import check_version


def diff(
    name: Annotated[str, Argument(metavar="NAME", help="A model in the store.")],
    before: Annotated[str, Argument(metavar="A", help="The version that clients use.")],
    after: Annotated[str, Argument(metavar="B", help="The version to compare with it.")],
    signatures: Annotated[bool, Option("--signatures", help="Compare signatures alone; run neither version.")] = False,
    *,
    settings: Annotated[Settings, STORE],
    output: Annotated[Output, QUIET, PROGRESS],
) -> None:
    versions = check_version(before), check_version(after)
    result = deployer.diff(name, *versions, numbers=not signatures, settings=settings, progress=output.report)
    output.show(result, console.versions.show_diff)
    if result.breaking:
        raise Exit(BREAKING)
