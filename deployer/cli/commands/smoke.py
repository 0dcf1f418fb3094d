"""`deployer smoke`."""

from __future__ import annotations

from typing import Annotated

import typer

from deployer.cli.command import command
from deployer.cli.options import Deployed, Output
from deployer.config.options import ENGINE, PROJECT, STORE, Settings
from deployer.errors import VerificationFailed


@command("deployer smoke digits", "deployer smoke --env staging --json")
def smoke(name: Deployed = None, *, settings: Annotated[Settings, PROJECT, ENGINE, STORE], output: Output) -> None:
    """Verify a running deployment.

    It is asked what a deploy asks; exit 8 when it does not pass.
    """
    from deployer import console
    from deployer.operations.smoke import smoke as run

    result = run(name, settings=settings)
    output.show(result, console.show_smoke)
    if not result.report.ok:
        raise typer.Exit(VerificationFailed.exit_code)
