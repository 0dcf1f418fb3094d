"""`deployer doctor`."""

from __future__ import annotations

from typing import Annotated

import typer

from deployer.cli.command import command
from deployer.cli.options import Output
from deployer.config.options import ENGINE, PROJECT, STORE, Settings
from deployer.errors import EngineError


@command("deployer doctor", "deployer doctor --engine docker --json")
def doctor(settings: Annotated[Settings, PROJECT, ENGINE, STORE], output: Output) -> None:
    """Check that this machine can deploy.

    Each finding comes with its remedy; exit 6 when something stands in the way.
    """
    from deployer import console
    from deployer.operations.doctor import doctor as run

    result = run(settings=settings)
    output.show(result, console.show_doctor)
    if not result.ok:
        raise typer.Exit(EngineError.exit_code)
