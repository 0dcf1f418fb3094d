"""Send one request and print the answer.

The answer is JSON, with --json or without; --json adds the schema version. The request goes to the REST API.

deployer predict digits
deployer predict digits --input '{"instances": [[0.0, 0.5]]}'
deployer predict digits --file request.json --version 2
echo '{"instances": [[0.0, 0.5]]}' | deployer predict digits --label canary
deployer predict digits --url http://serving.example:8501 --input '{"instances": [[0.0]]}'
"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

from typer import Option

import deployer
from deployer import console
from deployer.cli import request_text
from deployer.cli.options import QUIET, Deployed, OfModel, Output
from deployer.cli.version_choice import version_or_label
from deployer.config.options import ENGINE, PROJECT, STORE, Settings


def predict(
    name: Deployed = None,
    text: Annotated[
        str | None,
        Option("--input", help="A predict request in JSON; unset: standard input, or the first golden question."),
    ] = None,
    file: Annotated[Path | None, Option(help="A file with the request; - is standard input.")] = None,
    model: OfModel = None,
    version: Annotated[str | None, Option("--version", help="The version; unset: the server's choice.")] = None,
    label: Annotated[str | None, Option("--label", help="The label of a version.")] = None,
    url: Annotated[
        str | None, Option(help="REST address of another server, http://HOST:8501; NAME is a model.")
    ] = None,
    *,
    settings: Annotated[Settings, PROJECT, ENGINE, STORE],
    output: Annotated[Output, QUIET],
) -> None:
    choice = version_or_label(version, label)
    request = text if text not in (None, "-") else request_text.read(file or (Path("-") if text else None))
    if url is not None:
        answer = deployer.predict_at(url, model or name, request, version=choice, settings=settings)
    else:
        answer = deployer.predict(
            name, request, model=model, version=choice, settings=settings, progress=console.phases.show
        )
    output.show(answer, console.objects.show_answer)
