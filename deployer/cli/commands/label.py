"""`deployer label`."""

from __future__ import annotations

from typing import Annotated

import typer

from deployer.cli.command import command
from deployer.cli.options import QUIET, VERBOSE, DryRun, OfModel, Output
from deployer.config.options import COMPARISON, ENGINE, GATE, LOCK, PROJECT, STORE, Settings
from deployer.errors import UsageError


@command("deployer label digits canary=7", "deployer label digits stable=7 canary=")
def label(
    name: Annotated[str, typer.Argument(metavar="NAME", help="The deployment.")],
    labels: Annotated[
        list[str], typer.Argument(metavar="LABEL=VERSION", help="Points a label to a version; LABEL= takes it away.")
    ],
    model: OfModel = None,
    dry_run: DryRun = False,
    *,
    settings: Annotated[Settings, PROJECT, ENGINE, STORE, GATE, COMPARISON, LOCK],
    output: Annotated[Output, QUIET, VERBOSE],
) -> None:
    """Point labels to versions.

    Versions are loaded and verified first; one that loses its last label is unloaded, unless no version would be left.
    Requests without version or label go to the highest version that is loaded, whatever its label: a note says so where
    that changes.
    """
    from deployer.operations.redeploy import label as run

    output.show_change(
        run(name, _labels(labels), model=model, settings=settings, dry_run=dry_run, progress=output.progress)
    )


def _labels(texts: list[str]) -> dict[str, int | None]:
    """`canary=7` and `canary=` as values. Raises UsageError, InvalidValue."""
    from deployer.config.spec import check_label
    from deployer.results.model import check_version

    found: dict[str, int | None] = {}
    for text in texts:
        name, equals, version = text.partition("=")
        if not equals:
            raise UsageError(f"{text[:60]!r} is not LABEL=VERSION", hint="canary=7, or canary= to take it away")
        found[check_label(name)] = check_version(version) if version else None
    return found
