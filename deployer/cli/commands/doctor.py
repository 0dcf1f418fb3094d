"""Check that this machine can deploy.

Prints each finding with its remedy. Exits with 6 for a finding that prevents a deploy.

deployer doctor
deployer doctor --engine docker --json
"""

from __future__ import annotations

from typing import Annotated

from typer import Exit

import deployer
from deployer import console
from deployer.cli.options import Output
from deployer.config.options import ENGINE, PROJECT, STORE, Settings
from deployer.errors import EngineError


def doctor(settings: Annotated[Settings, PROJECT, ENGINE, STORE], output: Output) -> None:
    result = deployer.doctor(settings=settings)
    output.show(result, console.deployments.show_doctor)
    if not result.ok:
        raise Exit(EngineError.exit_code)
