"""Send one request and print the answer.

The answer is JSON, with --json or without. The request goes to the REST API.

deployer predict digits
deployer predict digits --input '{"instances": [[0.0, 0.5]]}'
deployer predict digits --file request.json --version 2
echo '{"instances": [[0.0, 0.5]]}' | deployer predict digits --label canary
deployer predict digits --url http://serving.example:8501 --input '{"instances": [[0.0]]}'
"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

import deployer
from deployer import console
from deployer.cli import request_text
from deployer.cli.options import QUIET, Deployed, Output
from deployer.config.models import LABEL
from deployer.config.options import ENGINE, PROJECT, STORE, Settings
from deployer.errors import InvalidValue, UsageError
from deployer.results.model import check_version


def predict(
    name: Deployed = None,
    text: Annotated[
        str | None,
        typer.Option("--input", help="A predict request in JSON; unset: standard input, or the first golden question."),
    ] = None,
    file: Annotated[Path | None, typer.Option(help="A file with the request; - is standard input.")] = None,
    model: Annotated[str | None, typer.Option(help="Which of several models.")] = None,
    version: Annotated[str | None, typer.Option("--version", help="Which version; unset: the server's choice.")] = None,
    label: Annotated[str | None, typer.Option("--label", help="The version that a label points to.")] = None,
    url: Annotated[
        str | None, typer.Option(help="Ask the model NAME of another server: its REST address, http://HOST:8501.")
    ] = None,
    *,
    settings: Annotated[Settings, PROJECT, ENGINE, STORE],
    output: Annotated[Output, QUIET],
) -> None:
    del output  # the answer is printed as JSON in any case
    choice = _version_or_label(version, label)
    request = text if text not in (None, "-") else request_text.read(file or (Path("-") if text else None))
    if url is not None:
        answer = deployer.predict_at(url, model or name, request, version=choice, settings=settings)
    else:
        answer = deployer.predict(
            name, request, model=model, version=choice, settings=settings, progress=console.lines.note
        )
    console.objects.show_json(answer)


def _version_or_label(version: str | None, label: str | None) -> int | str | None:
    """Return the number of a version, or a label. Raises UsageError."""
    if version is None:
        return label
    if label is not None:
        raise UsageError("--version and --label both say which version is asked", hint="give one of them")
    try:
        return check_version(version)
    except InvalidValue as error:
        error.hint = f"--label {version} asks the version that a label points to" if LABEL.fullmatch(version) else None
        raise
