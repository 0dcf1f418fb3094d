"""Verify a running deployment.

Sends the requests of a deploy's verification. Exits with 8 when a check fails.

deployer smoke digits
deployer smoke --env staging --json
"""

from __future__ import annotations

from typing import Annotated

from typer import Exit

import deployer
from deployer import console
from deployer.cli.options import Deployed, Output
from deployer.config.options import ENGINE, PROJECT, STORE, Settings
from deployer.errors import VerificationFailed


def smoke(name: Deployed = None, *, settings: Annotated[Settings, PROJECT, ENGINE, STORE], output: Output) -> None:
    result = deployer.smoke_test(name, settings=settings)
    output.show(result, console.reports.show_smoke)
    if not result.report.ok:
        raise Exit(VerificationFailed.exit_code)
