"""Verbs that change what is deployed: up, plan, down."""

from __future__ import annotations

from typing import Annotated

import typer

from deployer.cli.app import verbs
from deployer.cli.confirming import may_remove, refuse_unmeant
from deployer.cli.options import (
    AllowBreaking,
    Config,
    CustomObjects,
    DefaultSignature,
    Deployed,
    DryRun,
    EngineName,
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
    MaxFailures,
    MaxGap,
    MaxSlowdown,
    Measure,
    ModelName,
    ModelsDir,
    Project,
    Quiet,
    RestPort,
    ServeAs,
    SignatureName,
    SkipGate,
    StateDir,
    Tags,
    TemplatesDir,
    Timeout,
    Trust,
    Version,
    Warmup,
    Weights,
    examples_text,
    export_options,
    partly,
    progress_of,
    settings_of,
    show,
)
from deployer.cli.outdated import naming_the_plan
from deployer.errors import PLAN_HAS_CHANGES, UsageError


@verbs.command(
    epilog=examples_text(
        "deployer up model.keras --name digits",
        "deployer up digits:2",
        "deployer up --env staging",
        "deployer up train.py:model --rest-port 0 --grpc-port 0 --json",
    )
)
def up(
    target: Annotated[
        str | None, typer.Argument(metavar="SOURCE | NAME[:VERSION]", help="Unset: what deployer.toml says.")
    ] = None,
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
    skip_gate: SkipGate = False,
    allow_breaking: AllowBreaking = False,
    max_slowdown: MaxSlowdown = None,
    measure: Measure = None,
    max_failures: MaxFailures = None,
    max_gap_ms: MaxGap = None,
    dry_run: DryRun = False,
    expect: Annotated[
        str | None, typer.Option(metavar="DIGEST", help="Do this plan, whose digest `plan` showed, or nothing.")
    ] = None,
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
    project: Project = None,
    env: Env = None,
    quiet: Quiet = False,
    json: Json = False,
) -> None:
    """Deploy: export if needed, launch, prove, and only then open the ports. Run again, it changes nothing."""
    from deployer import console
    from deployer.operations.up import up as run

    options = export_options(locals())
    settings = settings_of(locals())
    if exit_code and not dry_run:
        raise UsageError("--exit-code goes with --dry-run", hint="add --dry-run, or type deployer plan --exit-code")
    with naming_the_plan():
        result = run(
            target, options=options, settings=settings, dry_run=dry_run, expect=expect, progress=progress_of(quiet)
        )
    show(result, json, console.show_up_quietly if quiet else console.show_up)
    if not (quiet or json):
        console.show_next_steps(result)
    if dry_run and exit_code and result.plan.is_change:
        raise typer.Exit(PLAN_HAS_CHANGES)


@verbs.command(
    epilog=examples_text("deployer plan model.keras --name digits", "deployer plan --env staging --exit-code")
)
def plan(
    target: Annotated[
        str | None, typer.Argument(metavar="SOURCE | NAME[:VERSION]", help="Unset: what deployer.toml says.")
    ] = None,
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
    skip_gate: SkipGate = False,
    allow_breaking: AllowBreaking = False,
    exit_code: Annotated[bool, typer.Option("--exit-code", help="Exit 20 when there is something to do.")] = False,
    engine: EngineName = None,
    host: Host = None,
    rest_port: RestPort = None,
    grpc_port: GrpcPort = None,
    models_dir: ModelsDir = None,
    state_dir: StateDir = None,
    templates_dir: TemplatesDir = None,
    config: Config = None,
    project: Project = None,
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
        warmup=warmup,
        tags=tags,
        serve_as=serve_as,
        custom_objects=custom_objects,
        weights=weights,
        default_signature=default_signature,
        graph_inputs=graph_inputs,
        graph_outputs=graph_outputs,
        force=force,
        skip_gate=skip_gate,
        allow_breaking=allow_breaking,
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
        project=project,
        env=env,
        json=json,
    )


@verbs.command(epilog=examples_text("deployer down digits", "deployer down --all"))
def down(
    name: Deployed = None,
    everything: Annotated[
        bool, typer.Option("--all", help="Every deployment of the project, in all environments.")
    ] = False,
    all_projects: Annotated[
        bool, typer.Option("--all-projects", help="With --all: those of all other projects on the engines, too.")
    ] = False,
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Do not ask before those of other projects go.")] = False,
    engine: EngineName = None,
    lock_wait: LockWait = 0.0,
    state_dir: StateDir = None,
    config: Config = None,
    project: Project = None,
    env: Env = None,
    quiet: Quiet = False,
    json: Json = False,
) -> None:
    """Stop a deployment and remove all that was made for it; the store stays."""
    from deployer import console
    from deployer.operations.down import down as run
    from deployer.operations.down import down_all

    settings = settings_of(locals())
    refuse_unmeant(name, everything, all_projects)
    if everything:
        with partly(json, console.show_down):
            confirm = (lambda _: True) if yes else may_remove
            results = down_all(
                all_projects=all_projects, confirm=confirm, settings=settings, progress=progress_of(quiet)
            )
            show({"deployments": results}, json, lambda _: console.show_down(results))
    else:
        show(run(name, settings=settings, progress=progress_of(quiet)), json, lambda one: console.show_down([one]))
