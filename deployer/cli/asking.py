"""Verbs that look at what is deployed: status, doctor, logs, smoke, predict."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from deployer.cli.app import verbs
from deployer.cli.options import (
    Config,
    Deployed,
    EngineName,
    Env,
    Json,
    ModelsDir,
    Project,
    Quiet,
    StateDir,
    examples_text,
    partly,
    settings_of,
    show,
)


@verbs.command(epilog=examples_text("deployer status", "deployer status --all --json", "deployer status a --exit-code"))
def status(
    name: Deployed = None,
    everything: Annotated[bool, typer.Option("--all", help="All environments of the project.")] = False,
    all_projects: Annotated[
        bool, typer.Option("--all-projects", help="Everything that the engines have, of any project.")
    ] = False,
    exit_code: Annotated[
        bool, typer.Option("--exit-code", help="Exit 7 when one is not serving, 10 when nothing is deployed.")
    ] = False,
    engine: EngineName = None,
    state_dir: StateDir = None,
    config: Config = None,
    project: Project = None,
    env: Env = None,
    json: Json = False,
) -> None:
    """What is deployed, and what its servers say of themselves."""
    from deployer import console
    from deployer.errors import DeploymentNotFound, NotReady
    from deployer.operations.status import status as run

    settings = settings_of(locals())
    with partly(json, console.show_status):
        found = run(name, all_envs=everything, all_projects=all_projects, settings=settings, progress=console.note)
        show({"deployments": found}, json, lambda _: console.show_status(found))
    if exit_code and not found:
        raise typer.Exit(DeploymentNotFound.exit_code)
    if exit_code and not all(each.healthy for each in found):
        raise typer.Exit(NotReady.exit_code)


verbs.command("ps", hidden=True, help="The same as status.")(status)


@verbs.command(epilog=examples_text("deployer doctor", "deployer doctor --engine docker --json"))
def doctor(
    engine: EngineName = None,
    models_dir: ModelsDir = None,
    state_dir: StateDir = None,
    config: Config = None,
    project: Project = None,
    env: Env = None,
    json: Json = False,
) -> None:
    """Is this machine fit to deploy: each finding with its remedy; exit 6 when something stands in the way."""
    from deployer import console
    from deployer.errors import EngineError
    from deployer.operations.doctor import doctor as run

    settings = settings_of(locals())
    result = run(settings=settings)
    show(result, json, console.show_doctor)
    if not result.ok:
        raise typer.Exit(EngineError.exit_code)


@verbs.command(epilog=examples_text("deployer logs digits --tail 50", "deployer logs digits -f"))
def logs(
    name: Deployed = None,
    follow: Annotated[bool, typer.Option("--follow", "-f", help="Go on until the server ends.")] = False,
    tail: Annotated[int | None, typer.Option(min=0, help="Only the last lines.")] = None,
    engine: EngineName = None,
    state_dir: StateDir = None,
    config: Config = None,
    project: Project = None,
    env: Env = None,
    json: Json = False,
) -> None:
    """What the server wrote."""
    from deployer import console
    from deployer.operations.logs import logs as run

    told: list[str] = []
    lines = run(name, tail=tail, follow=follow, settings=settings_of(locals()), progress=told.append)
    if json:
        console.show_json({"lines": list(lines)})
    else:
        for line in lines:
            console.out(line)
    console.show_notices(told)


@verbs.command(epilog=examples_text("deployer smoke digits", "deployer smoke --env staging --json"))
def smoke(
    name: Deployed = None,
    engine: EngineName = None,
    models_dir: ModelsDir = None,
    state_dir: StateDir = None,
    config: Config = None,
    project: Project = None,
    env: Env = None,
    json: Json = False,
) -> None:
    """Prove a running deployment as a deploy would; exit 8 when it does not pass."""
    from deployer import console
    from deployer.errors import VerificationFailed
    from deployer.operations.smoke import smoke as run

    result = run(name, settings=settings_of(locals()))
    show(result, json, console.show_smoke)
    if not result.report.ok:
        raise typer.Exit(VerificationFailed.exit_code)


@verbs.command(
    epilog=examples_text(
        "deployer predict digits",
        """deployer predict digits --input '{"instances": [[0.0, 0.5]]}'""",
        "deployer predict digits --file request.json --version 2",
        "echo '{\"instances\": [[0.0, 0.5]]}' | deployer predict digits --label canary",
        """deployer predict digits --url http://serving.example:8501 --input '{"instances": [[0.0]]}'""",
    )
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
    engine: EngineName = None,
    models_dir: ModelsDir = None,
    state_dir: StateDir = None,
    config: Config = None,
    project: Project = None,
    env: Env = None,
    quiet: Quiet = False,
    json: Annotated[bool, typer.Option("--json", help="The answer is JSON anyway.", show_default=False)] = True,
) -> None:
    """Ask a deployment one question over REST and print its answer."""
    del json, quiet  # what is said beside the answer is a note
    from deployer import console
    from deployer.cli import reading
    from deployer.operations.predict import predict as run
    from deployer.operations.predict import predict_at

    settings = settings_of(locals())
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
    from deployer.errors import InvalidValue, UsageError
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
