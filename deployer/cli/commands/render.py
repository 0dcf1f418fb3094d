"""`deployer render`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from deployer.cli.command import command
from deployer.cli.options import QUIET, Output
from deployer.config.options import ADDRESS, PROJECT, STORE, TEMPLATES, Settings


@command(
    "deployer render digits",
    "deployer render --env staging",
    "deployer render compose digits:2 --out deploy",
    "deployer render docker-run digits --rest-port 9501 --grpc-port 9500 --out deploy",
)
def render(
    form: Annotated[
        str | None,
        typer.Argument(
            metavar="FORM",
            help="config, which may be left out: the server's files; compose: a Compose file; docker-run: a script.",
        ),
    ] = None,
    target: Annotated[
        str | None, typer.Argument(metavar="NAME[:VERSION]", help="Unset: what deployer.toml says.")
    ] = None,
    out: Annotated[Path | None, typer.Option(help="Write the files into this folder instead of printing them.")] = None,
    force: Annotated[bool, typer.Option("--force", help="Overwrite files that are there with another text.")] = False,
    *,
    settings: Annotated[Settings, PROJECT, STORE, TEMPLATES, ADDRESS],
    output: Annotated[Output, QUIET],
) -> None:
    """Print the server's configuration files.

    They are those that `up` would give the server now, or one that starts its container without deployer.
    """
    from deployer import console
    from deployer.operations.render import CONFIG, FORMS, write
    from deployer.operations.render import render as run

    if form is not None and form not in FORMS and target is None:
        form, target = CONFIG, form
    rendered = run(target, form=form or CONFIG, settings=settings)
    if out is None:
        output.show(rendered, console.show_rendered)
    else:
        paths = write(rendered, out, force=force)
        output.show(rendered, lambda _: console.show_written(paths, rendered.notices))
