"""Measure a deployment under load.

Sends its golden requests, or yours, over REST and gRPC. With --rate, requests are sent at a fixed rate, and a latency
counts from when the request was due. With --clients, each client sends the next request when it has its answer. Both
can be repeated. Exits with 1 if requests failed or answers were wrong.

deployer bench digits
deployer bench digits --rate 50 --rate 500 --duration 30 --api rest
deployer bench digits --clients 1 --clients 8 --requests requests.jsonl
deployer bench digits --duration 10 --rate 100 --report out.html --json > before.json
deployer bench digits --duration 10 --rate 100 --against before.json
"""

from __future__ import annotations

from typing import Annotated

from typer import Exit, Option

import deployer
from deployer import console
from deployer.benchmark.options import BenchOptions
from deployer.cli.options import Deployed, OfModel, Output
from deployer.cli.version_choice import version_or_label
from deployer.config.options import ENGINE, PROJECT, STORE, Settings
from deployer.errors import INTERRUPTED, DeployerError


def bench(
    name: Deployed = None,
    model: OfModel = None,
    version: Annotated[str | None, Option("--version", help="The version; unset: the server's choice.")] = None,
    label: Annotated[str | None, Option("--label", help="The label of a version.")] = None,
    *,
    options: BenchOptions,
    settings: Annotated[Settings, PROJECT, ENGINE, STORE],
    output: Output,
) -> None:
    choice = version_or_label(version, label)
    result = deployer.bench(
        name, model=model, version=choice, options=options, settings=settings, progress=console.phases.show
    )
    output.show(result, console.bench.show_bench)
    if result.interrupted:
        raise Exit(INTERRUPTED)
    if not result.ok:
        raise Exit(DeployerError.exit_code)
