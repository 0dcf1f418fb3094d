"""`deployer predict`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from deployer.cli import reading
from deployer.cli.command import command
from deployer.cli.options import QUIET, Deployed, Output
from deployer.config.options import ENGINE, PROJECT, STORE, Settings
from deployer.errors import InvalidValue, UsageError


@command(
    "deployer predict digits",
    """deployer predict digits --input '{"instances": [[0.0, 0.5]]}'""",
    "deployer predict digits --file request.json --version 2",
    "echo '{\"instances\": [[0.0, 0.5]]}' | deployer predict digits --label canary",
    """deployer predict digits --url http://serving.example:8501 --input '{"instances": [[0.0]]}'""",
)
def predict(
    name: Deployed = None,
    body: Annotated[
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
    """Send one request and print the answer.

    The answer is JSON, with --json or without. The request goes to the REST API.
    """
    del output
    from deployer import console
    from deployer.operations.predict import predict as run
    from deployer.operations.predict import predict_at

    which = _which(version, label)
    question = body if body not in (None, "-") else reading.text(file or (Path("-") if body else None))
    if url is not None:
        console.show_json(predict_at(url, model or name, question, version=which, settings=settings))
    else:
        answer = run(name, question, model=model, version=which, settings=settings, progress=console.note)
        console.show_json(answer)


def _which(version: str | None, label: str | None) -> int | str | None:
    """A version's number, or a label. Raises UsageError."""
    from deployer.config.models import LABEL
    from deployer.results.model import check_version

    if version is None:
        return label
    if label is not None:
        raise UsageError("--version and --label both say which version is asked", hint="give one of them")
    try:
        return check_version(version)
    except InvalidValue as error:
        error.hint = f"--label {version} asks the version that a label points to" if LABEL.fullmatch(version) else None
        raise
