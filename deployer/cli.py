"""The command line: options become plain values, one operation is called, its result is shown. Nothing else."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Any

import typer

from deployer import __version__
from deployer.errors import PLAN_HAS_CHANGES, DeployerError, exit_codes

EXIT_CODES = "Exit codes: " + " · ".join(f"{code} {meaning}" for code, meaning in exit_codes().items())

app = typer.Typer(
    name="deployer",
    help="From a trained TensorFlow model to a proven TensorFlow Serving endpoint.",
    epilog=EXIT_CODES,
    no_args_is_help=True,
    rich_markup_mode=None,
    add_completion=True,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 110},
)

Json = Annotated[bool, typer.Option("--json", help="Print the result as one JSON object.")]
Quiet = Annotated[bool, typer.Option("--quiet", "-q", help="No progress on stderr.")]
Config = Annotated[Path | None, typer.Option(help="Configuration file; unset: deployer.toml here, if there is one.")]
Env = Annotated[str | None, typer.Option(help="Environment: applies the overlay [env.NAME].")]
EngineName = Annotated[str | None, typer.Option("--engine", help="auto, docker or embedded.")]
ModelsDir = Annotated[Path | None, typer.Option(help="The store of model versions.")]
StateDir = Annotated[Path | None, typer.Option(help="Where embedded servers have their run folders.")]
TemplatesDir = Annotated[Path | None, typer.Option(help="Templates of your own.")]
Host = Annotated[str | None, typer.Option(help="Address to bind the ports to.")]
RestPort = Annotated[int | None, typer.Option(help="REST port; 0: any free one.")]
GrpcPort = Annotated[int | None, typer.Option(help="gRPC port; 0: any free one.")]
Timeout = Annotated[float | None, typer.Option(help="Seconds until the models must be available.")]
LockWait = Annotated[float, typer.Option(help="Seconds to wait for another command on the same deployment.")]
Deployed = Annotated[
    str | None, typer.Argument(metavar="[NAME]", help="The deployment; unset: deployer.toml's, or the only one.")
]
ModelName = Annotated[str | None, typer.Option("--name", help="Name of the model; unset: taken from the source.")]
Version = Annotated[str | None, typer.Option("--version", help="Version to make; unset: the next.")]
Inputs = Annotated[
    list[str] | None, typer.Option("--input", help="Input of serving_default, name:dtype[shape]; repeatable.")
]
SignatureName = Annotated[str | None, typer.Option("--signature", help="A signature that the model must have.")]
Examples = Annotated[Path | None, typer.Option(help="Example inputs for the golden set: .json, .jsonl or .npz.")]
Trust = Annotated[bool, typer.Option("--trust", help="Let the model file run the code that it carries.")]
Force = Annotated[bool, typer.Option("--force", help="Make a version even if nothing changed.")]


def _examples_text(*lines: str) -> str:
    return "Examples:\n\n" + "\n\n".join(f"  {line}" for line in lines)


def _settings(**given: Any) -> Any:
    from deployer.operations.workspace import Settings

    return Settings(**given)


def _export_options(version: str | None, inputs: list[str] | None, **given: Any) -> Any:
    from deployer.model import check_version
    from deployer.operations.export import ExportOptions

    number = None if version is None else check_version(version)
    return ExportOptions(version=number, inputs=tuple(inputs or ()), **given)


def _show(result: Any, as_json: bool, show: Callable[[Any], None]) -> None:
    from deployer import console

    console.show_json(result) if as_json else show(result)


def _progress(quiet: bool) -> Callable[[str], None]:
    from deployer import console
    from deployer.operations.workspace import silent

    return silent if quiet else console.progress


def _print_version(asked: bool) -> None:
    if asked:
        typer.echo(f"deployer {__version__}")
        raise typer.Exit


@app.callback()
def main(
    version: Annotated[
        bool, typer.Option("--version", callback=_print_version, is_eager=True, help="Print the version and exit.")
    ] = False,
) -> None:
    """From a trained TensorFlow model to a proven TensorFlow Serving endpoint."""


@app.command(epilog=_examples_text("deployer init --name digits"))
def init(
    name: Annotated[str, typer.Option(help="The model's name.")] = "my_model",
    force: Annotated[bool, typer.Option("--force", help="Overwrite a file that is there.")] = False,
    json: Json = False,
) -> None:
    """Write an annotated deployer.toml into this folder."""
    from deployer import console
    from deployer.operations.init import init as run

    _show({"path": run(name=name, force=force)}, json, lambda result: console.out(f"wrote {result['path']}"))


@app.command(
    epilog=_examples_text(
        "deployer export model.keras --name digits",
        "deployer export train.py:model --input 'image:float32[?,28,28]' --examples examples.json",
        "deployer export saved_model_folder --name digits --version 7",
    )
)
def export(
    source: Annotated[
        str, typer.Argument(help="model.keras, model.h5, a SavedModel folder, file.py:name, module:name.")
    ],
    name: ModelName = None,
    version: Version = None,
    inputs: Inputs = None,
    signature: SignatureName = None,
    examples: Examples = None,
    trust: Trust = False,
    force: Force = False,
    models_dir: ModelsDir = None,
    config: Config = None,
    env: Env = None,
    quiet: Quiet = False,
    json: Json = False,
) -> None:
    """Export a model as the next version in the store, with its golden answers."""
    from deployer import console
    from deployer.operations.export import export as run

    options = _export_options(
        version, inputs, name=name, signature=signature, examples=examples, trust=trust, force=force
    )
    settings = _settings(config=config, env=env, models_dir=models_dir)
    result = run(source, options=options, settings=settings, progress=_progress(quiet))
    _show(result, json, console.show_export)


@app.command(
    epilog=_examples_text(
        "deployer up model.keras --name digits",
        "deployer up digits:2",
        "deployer up --env staging",
        "deployer up train.py:model --rest-port 0 --grpc-port 0 --json",
    )
)
def up(
    target: Annotated[
        str | None, typer.Argument(metavar="[SOURCE | NAME[:VERSION]]", help="Unset: what deployer.toml says.")
    ] = None,
    name: ModelName = None,
    version: Version = None,
    inputs: Inputs = None,
    signature: SignatureName = None,
    examples: Examples = None,
    trust: Trust = False,
    force: Force = False,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Show the plan and do nothing.")] = False,
    exit_code: Annotated[
        bool, typer.Option("--exit-code", help="With --dry-run: exit 20 when there is something to do.")
    ] = False,
    engine: EngineName = None,
    host: Host = None,
    rest_port: RestPort = None,
    grpc_port: GrpcPort = None,
    timeout: Timeout = None,
    lock_wait: LockWait = 0.0,
    models_dir: ModelsDir = None,
    state_dir: StateDir = None,
    templates_dir: TemplatesDir = None,
    config: Config = None,
    env: Env = None,
    quiet: Quiet = False,
    json: Json = False,
) -> None:
    """Deploy: export if needed, launch, prove, and only then open the ports. Run again, it changes nothing."""
    from deployer import console
    from deployer.deployment import Change
    from deployer.operations.up import up as run

    options = _export_options(
        version, inputs, name=name, signature=signature, examples=examples, trust=trust, force=force
    )
    settings = _settings(
        config=config,
        env=env,
        engine=engine,
        models_dir=models_dir,
        state_dir=state_dir,
        templates_dir=templates_dir,
        host=host,
        rest_port=rest_port,
        grpc_port=grpc_port,
        timeout=timeout,
        lock_wait=lock_wait,
    )
    result = run(target, options=options, settings=settings, dry_run=dry_run, progress=_progress(quiet))
    _show(result, json, console.show_up)
    if dry_run and exit_code and (result.plan.change is not Change.NOTHING or result.plan.steps):
        raise typer.Exit(PLAN_HAS_CHANGES)


@app.command(
    epilog=_examples_text("deployer plan model.keras --name digits", "deployer plan --env staging --exit-code")
)
def plan(
    target: Annotated[
        str | None, typer.Argument(metavar="[SOURCE | NAME[:VERSION]]", help="Unset: what deployer.toml says.")
    ] = None,
    name: ModelName = None,
    version: Version = None,
    inputs: Inputs = None,
    signature: SignatureName = None,
    examples: Examples = None,
    trust: Trust = False,
    force: Force = False,
    exit_code: Annotated[bool, typer.Option("--exit-code", help="Exit 20 when there is something to do.")] = False,
    engine: EngineName = None,
    host: Host = None,
    rest_port: RestPort = None,
    grpc_port: GrpcPort = None,
    models_dir: ModelsDir = None,
    state_dir: StateDir = None,
    templates_dir: TemplatesDir = None,
    config: Config = None,
    env: Env = None,
    json: Json = False,
) -> None:
    """Show what `up` would do, and do nothing."""
    up(
        target=target,
        name=name,
        version=version,
        inputs=inputs,
        signature=signature,
        examples=examples,
        trust=trust,
        force=force,
        dry_run=True,
        exit_code=exit_code,
        engine=engine,
        host=host,
        rest_port=rest_port,
        grpc_port=grpc_port,
        models_dir=models_dir,
        state_dir=state_dir,
        templates_dir=templates_dir,
        config=config,
        env=env,
        json=json,
    )


@app.command(epilog=_examples_text("deployer down digits", "deployer down --all"))
def down(
    name: Deployed = None,
    everything: Annotated[bool, typer.Option("--all", help="Every deployment, in all environments.")] = False,
    engine: EngineName = None,
    lock_wait: LockWait = 0.0,
    state_dir: StateDir = None,
    config: Config = None,
    env: Env = None,
    quiet: Quiet = False,
    json: Json = False,
) -> None:
    """Stop a deployment and remove all that was made for it; the store stays."""
    from deployer import console
    from deployer.operations.down import down as run
    from deployer.operations.down import down_all

    settings = _settings(config=config, env=env, engine=engine, state_dir=state_dir, lock_wait=lock_wait)
    if everything:
        results = down_all(settings=settings, progress=_progress(quiet))
        _show({"deployments": results}, json, lambda _: console.show_down(results))
    else:
        _show(run(name, settings=settings, progress=_progress(quiet)), json, lambda one: console.show_down([one]))


@app.command(epilog=_examples_text("deployer status", "deployer status --all --json"))
def status(
    name: Deployed = None,
    everything: Annotated[bool, typer.Option("--all", help="All environments.")] = False,
    engine: EngineName = None,
    state_dir: StateDir = None,
    config: Config = None,
    env: Env = None,
    json: Json = False,
) -> None:
    """What is deployed, and what its servers say of themselves."""
    from deployer import console
    from deployer.operations.status import status as run

    settings = _settings(config=config, env=env, engine=engine, state_dir=state_dir)
    found = run(name, all_envs=everything, settings=settings)
    _show({"deployments": found}, json, lambda _: console.show_status(found))


app.command("ps", hidden=True, help="The same as status.")(status)


@app.command(epilog=_examples_text("deployer logs digits --tail 50", "deployer logs digits -f"))
def logs(
    name: Deployed = None,
    follow: Annotated[bool, typer.Option("--follow", "-f", help="Go on until the server ends.")] = False,
    tail: Annotated[int | None, typer.Option(min=0, help="Only the last lines.")] = None,
    engine: EngineName = None,
    state_dir: StateDir = None,
    config: Config = None,
    env: Env = None,
    json: Json = False,
) -> None:
    """What the server wrote."""
    from deployer import console
    from deployer.operations.logs import logs as run

    lines = run(
        name, tail=tail, follow=follow, settings=_settings(config=config, env=env, engine=engine, state_dir=state_dir)
    )
    if json:
        console.show_json({"lines": list(lines)})
    else:
        for line in lines:
            console.out(line)


@app.command(epilog=_examples_text("deployer smoke digits", "deployer smoke --env staging --json"))
def smoke(
    name: Deployed = None,
    engine: EngineName = None,
    models_dir: ModelsDir = None,
    state_dir: StateDir = None,
    config: Config = None,
    env: Env = None,
    json: Json = False,
) -> None:
    """Prove a running deployment as a deploy would; exit 8 when it does not pass."""
    from deployer import console
    from deployer.errors import GateRefused
    from deployer.operations.smoke import smoke as run

    result = run(
        name, settings=_settings(config=config, env=env, engine=engine, models_dir=models_dir, state_dir=state_dir)
    )
    _show(result, json, console.show_smoke)
    if not result.report.ok:
        raise typer.Exit(GateRefused.exit_code)


@app.command(
    epilog=_examples_text(
        "deployer predict digits",
        """deployer predict digits --input '{"instances": [[0.0, 0.5]]}'""",
        "deployer predict digits --file request.json --version 2",
    )
)
def predict(
    name: Deployed = None,
    body: Annotated[
        str | None, typer.Option("--input", help="A predict request in JSON; unset: the first golden question.")
    ] = None,
    file: Annotated[Path | None, typer.Option(help="A file with the request; - is standard input.")] = None,
    model: Annotated[str | None, typer.Option(help="Which of several models.")] = None,
    version: Annotated[str | None, typer.Option("--version", help="Which version; unset: the server's choice.")] = None,
    engine: EngineName = None,
    models_dir: ModelsDir = None,
    state_dir: StateDir = None,
    config: Config = None,
    env: Env = None,
    json: Annotated[bool, typer.Option("--json", help="The answer is JSON anyway.")] = True,
) -> None:
    """Ask a deployment one question over REST and print its answer."""
    del json
    from deployer import console
    from deployer.model import check_version
    from deployer.operations.predict import predict as run

    settings = _settings(config=config, env=env, engine=engine, models_dir=models_dir, state_dir=state_dir)
    number = None if version is None else check_version(version)
    console.show_json(
        run(name, body if body is not None else _text(file), model=model, version=number, settings=settings)
    )


def _text(file: Path | None) -> str | None:
    from deployer.errors import UsageError

    if file is None:
        return None
    try:
        return typer.get_text_stream("stdin").read() if str(file) == "-" else file.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise UsageError(f"{file} cannot be read: {error}") from error


@app.command(epilog=_examples_text("deployer versions", "deployer versions digits --json"))
def versions(
    name: Annotated[str | None, typer.Argument(metavar="[NAME]", help="A model; unset: all.")] = None,
    models_dir: ModelsDir = None,
    config: Config = None,
    env: Env = None,
    json: Json = False,
) -> None:
    """The versions that the store has."""
    from deployer import console
    from deployer.operations.versions import versions as run

    _show(run(name, settings=_settings(config=config, env=env, models_dir=models_dir)), json, console.show_versions)


@app.command(
    epilog=_examples_text(
        "deployer inspect digits", "deployer inspect digits:2 --json", "deployer inspect path/to/saved_model"
    )
)
def inspect(
    target: Annotated[
        str, typer.Argument(metavar="PATH | NAME[:VERSION]", help="A SavedModel folder, or a model in the store.")
    ],
    models_dir: ModelsDir = None,
    config: Config = None,
    env: Env = None,
    json: Json = False,
) -> None:
    """Signatures, dtypes, shapes, size and TensorFlow's version, read without TensorFlow."""
    from deployer import console
    from deployer.operations.inspect import inspect as run

    _show(run(target, settings=_settings(config=config, env=env, models_dir=models_dir)), json, console.show_inspect)


@app.command(epilog=_examples_text("deployer render digits", "deployer render --env staging"))
def render(
    target: Annotated[
        str | None, typer.Argument(metavar="[NAME[:VERSION]]", help="Unset: what deployer.toml says.")
    ] = None,
    models_dir: ModelsDir = None,
    templates_dir: TemplatesDir = None,
    config: Config = None,
    env: Env = None,
    json: Json = False,
) -> None:
    """Print the files that `up` would give the server."""
    from deployer import console
    from deployer.operations.render import render as run

    settings = _settings(config=config, env=env, models_dir=models_dir, templates_dir=templates_dir)
    _show(run(target, settings=settings), json, console.show_rendered)


def fail(failure: DeployerError, as_json: bool) -> int:
    """Show an error and give its exit code."""
    from deployer import console

    console.error_json(failure) if as_json else console.error(failure)
    return failure.exit_code
