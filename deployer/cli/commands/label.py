"""Point labels to versions.

Versions are loaded and verified first. A version that loses its last label is unloaded, unless it is the only one.
Requests without version or label go to the highest loaded version, whatever its label: a note says when that changes.

deployer label digits canary=7
deployer label digits stable=7 canary=
"""

from __future__ import annotations

from typing import Annotated

from typer import Argument

import deployer
from deployer.cli.options import PROGRESS, QUIET, VERBOSE, DryRun, OfModel, Output
from deployer.config.models import check_label
from deployer.config.options import COMPARISON, ENGINE, GATE, LOCK, MEASURE, PROJECT, STORE, Settings
from deployer.errors import UsageError
from deployer.results.model import check_version


def label(
    name: Annotated[str, Argument(metavar="NAME", help="The deployment.")],
    labels: Annotated[
        list[str], Argument(metavar="LABEL=VERSION", help="Point a label to a version; LABEL= removes it.")
    ],
    model: OfModel = None,
    dry_run: DryRun = False,
    *,
    settings: Annotated[Settings, PROJECT, ENGINE, STORE, GATE, MEASURE, COMPARISON, LOCK],
    output: Annotated[Output, QUIET, PROGRESS, VERBOSE],
) -> None:
    versions = dict(map(_parse, labels))
    result = deployer.label(name, versions, model=model, settings=settings, dry_run=dry_run, progress=output.report)
    output.show_change(result)


def _parse(text: str) -> tuple[str, int | None]:
    """Return label and version of `canary=7`; the version of `canary=` is None. Raises UsageError, InvalidValue."""
    name, equals, version = text.partition("=")
    if not equals:
        raise UsageError(f"{text[:60]!r} is not LABEL=VERSION", hint="canary=7, or canary= to remove it")
    return check_label(name), check_version(version) if version else None
