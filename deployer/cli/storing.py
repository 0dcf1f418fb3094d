"""Verbs of the store and its files: init, export, versions, prune, diff, inspect, render."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from deployer.cli.app import verbs
from deployer.cli.options import (
    Config,
    CustomObjects,
    DefaultSignature,
    Env,
    Examples,
    Force,
    GraphInputs,
    GraphOutputs,
    GrpcPort,
    Host,
    Inputs,
    Json,
    LockWait,
    ModelName,
    ModelsDir,
    Project,
    Quiet,
    RestPort,
    ServeAs,
    SignatureName,
    StateDir,
    Tags,
    TemplatesDir,
    Trust,
    Version,
    Warmup,
    Weights,
    examples_text,
    export_options,
    progress_of,
    settings_of,
    show,
)


@verbs.command(epilog=examples_text("deployer init --name digits"))
def init(
    name: Annotated[str, typer.Option(help="The model's name.")] = "my_model",
    force: Annotated[bool, typer.Option("--force", help="Overwrite a file that is there.")] = False,
    json: Json = False,
) -> None:
    """Write an annotated deployer.toml into this folder."""
    from deployer import console
    from deployer.operations.init import init as run
    from deployer.rollout.next_steps import after_init

    path = run(name=name, force=force)
    show({"path": path}, json, lambda _: console.show_init(path, after_init(path.parent, name)))


@verbs.command(
    epilog=examples_text(
        "deployer export model.keras --name digits",
        "deployer export train.py:model --input 'image:float32[?,28,28]' --examples examples.json",
        "deployer export saved_model_folder --name digits --version 7",
        "deployer export frozen.pb --graph-input x=x:0 --graph-output y=scores/Softmax:0",
        "deployer export downloaded.tar.gz --tags serve,gpu --default-signature predict",
    )
)
def export(
    source: Annotated[
        str,
        typer.Argument(
            help="model.keras, .h5, a SavedModel folder or archive, a graph (.pb, .meta), file.py:name, module:name."
        ),
    ],
    name: ModelName = None,
    version: Version = None,
    inputs: Inputs = None,
    signature: SignatureName = None,
    examples: Examples = None,
    trust: Trust = False,
    warmup: Warmup = None,
    tags: Tags = None,
    default_signature: DefaultSignature = None,
    graph_inputs: GraphInputs = None,
    graph_outputs: GraphOutputs = None,
    serve_as: ServeAs = None,
    custom_objects: CustomObjects = None,
    weights: Weights = None,
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

    options = export_options(locals())
    settings = settings_of(locals())
    result = run(source, options=options, settings=settings, progress=progress_of(quiet))
    show(result, json, console.show_export)


@verbs.command(epilog=examples_text("deployer versions", "deployer versions digits --json"))
def versions(
    name: Annotated[str | None, typer.Argument(metavar="NAME", help="A model; unset: all.")] = None,
    models_dir: ModelsDir = None,
    config: Config = None,
    env: Env = None,
    json: Json = False,
) -> None:
    """The versions that the store has."""
    from deployer import console
    from deployer.operations.versions import versions as run

    show(run(name, settings=settings_of(locals())), json, console.show_versions)


@verbs.command(epilog=examples_text("deployer diff digits 3 4", "deployer diff digits 3 4 --signatures --json"))
def diff(
    name: Annotated[str, typer.Argument(metavar="NAME", help="A model in the store.")],
    before: Annotated[str, typer.Argument(metavar="A", help="The version that clients know.")],
    after: Annotated[str, typer.Argument(metavar="B", help="The version that they would get.")],
    signatures: Annotated[
        bool, typer.Option("--signatures", help="Compare signatures alone; run neither version.")
    ] = False,
    models_dir: ModelsDir = None,
    config: Config = None,
    env: Env = None,
    quiet: Quiet = False,
    json: Json = False,
) -> None:
    """Whether clients of one version can go on with another, and how far their answers are apart; exit 20 if not."""
    from deployer import console
    from deployer.errors import BREAKING
    from deployer.operations.diff import diff as run
    from deployer.results.model import check_version

    settings = settings_of(locals())
    versions = check_version(before), check_version(after)
    result = run(name, *versions, numbers=not signatures, settings=settings, progress=progress_of(quiet))
    show(result, json, console.show_diff)
    if result.breaking:
        raise typer.Exit(BREAKING)


@verbs.command(epilog=examples_text("deployer prune --dry-run", "deployer prune digits --keep 5"))
def prune(
    name: Annotated[str | None, typer.Argument(metavar="MODEL", help="Unset: every model of the store.")] = None,
    keep: Annotated[int, typer.Option(metavar="N", help="How many of the newest versions stay in any case.")] = 3,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Show what would be removed, and remove nothing.")] = False,
    lock_wait: LockWait = 0.0,
    models_dir: ModelsDir = None,
    state_dir: StateDir = None,
    config: Config = None,
    project: Project = None,
    env: Env = None,
    json: Json = False,
) -> None:
    """Remove versions from the store that nothing serves, that rollback does not need, and that are not new."""
    from deployer import console
    from deployer.operations.prune import prune as run

    settings = settings_of(locals())
    show(run(name, keep=keep, settings=settings, dry_run=dry_run), json, console.show_prune)


@verbs.command(
    epilog=examples_text(
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

    show(run(target, settings=settings_of(locals())), json, console.show_inspect)


@verbs.command(
    epilog=examples_text(
        "deployer render digits",
        "deployer render --env staging",
        "deployer render compose digits:2 --out deploy",
        "deployer render docker-run digits --rest-port 9501 --grpc-port 9500 --out deploy",
    )
)
def render(
    form: Annotated[
        str | None,
        typer.Argument(
            metavar="FORM",
            help="config, which may be left out: the server's files; compose: a Compose file; docker-run: a script.",
        ),
    ] = None,
    target: Annotated[
        str | None, typer.Argument(metavar="NAME[:VERSION]", help="Unset: what deployer.toml says.")
    ] = None,
    out: Annotated[Path | None, typer.Option(help="Write the files into this folder instead of printing them.")] = None,
    force: Annotated[bool, typer.Option("--force", help="Overwrite files that are there with another text.")] = False,
    host: Host = None,
    rest_port: RestPort = None,
    grpc_port: GrpcPort = None,
    models_dir: ModelsDir = None,
    templates_dir: TemplatesDir = None,
    state_dir: StateDir = None,
    config: Config = None,
    project: Project = None,
    env: Env = None,
    quiet: Quiet = False,
    json: Json = False,
) -> None:
    """The files that `up` would give the server now, or one that starts its container without deployer."""
    del quiet  # it makes no progress that takes long enough to be shown
    from deployer import console
    from deployer.operations.render import CONFIG, FORMS, write
    from deployer.operations.render import render as run

    if form is not None and form not in FORMS and target is None:
        form, target = CONFIG, form
    settings = settings_of(locals())
    rendered = run(target, form=form or CONFIG, settings=settings)
    if out is None:
        show(rendered, json, console.show_rendered)
    else:
        paths = write(rendered, out, force=force)
        show(rendered, json, lambda _: console.show_written(paths, rendered.notices))
