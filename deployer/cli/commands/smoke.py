"""Verify a running deployment.

Sends the requests of a deploy's verification. Exits with 8 when a check fails. With --url and --grpc it verifies any
model server, such as one in a cluster; NAME[:VERSION] is then a model of the store.

deployer smoke digits
deployer smoke --env staging --json
deployer smoke digits:2 --url http://digits.staging:8501 --grpc digits.staging:8500
"""

from __future__ import annotations

from typing import Annotated

from typer import Exit, Option

import deployer
from deployer import console
from deployer.cli.options import Deployed, Output
from deployer.config.options import ENGINE, PROJECT, STORE, Settings
from deployer.errors import UsageError, VerificationFailed


def smoke(
    name: Deployed = None,
    url: Annotated[str | None, Option(help="REST address of another server, http://HOST:8501; with --grpc.")] = None,
    grpc: Annotated[str | None, Option(help="Its gRPC address, HOST:8500.")] = None,
    *,
    settings: Annotated[Settings, PROJECT, ENGINE, STORE],
    output: Output,
) -> None:
    if (url is None) is not (grpc is None):
        raise UsageError("--url and --grpc go together", hint="--url http://HOST:8501 --grpc HOST:8500")
    if url is not None and grpc is not None:
        result = deployer.smoke_at(url, grpc, name, settings=settings)
    else:
        result = deployer.smoke_test(name, settings=settings)
    output.show(result, console.reports.show_smoke)
    if not result.report.ok:
        raise Exit(VerificationFailed.exit_code)
