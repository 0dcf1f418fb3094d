"""Verbs that change which versions a running deployment serves: redeploy, label."""

from __future__ import annotations

from typing import Annotated

import typer

from deployer.cli.app import verbs
from deployer.cli.options import (
    AllowBreaking,
    Config,
    Deployed,
    DryRun,
    EngineName,
    Env,
    Json,
    LockWait,
    MaxFailures,
    MaxGap,
    MaxSlowdown,
    Measure,
    ModelsDir,
    OfModel,
    Project,
    Quiet,
    SkipGate,
    StateDir,
    Timeout,
    examples_text,
    progress_of,
    settings_of,
    show,
)


@verbs.command(epilog=examples_text("deployer redeploy digits", "deployer redeploy digits --version 7 --keep-previous"))
def redeploy(
    name: Deployed = None,
    version: Annotated[int | None, typer.Option(help="The version to serve; unset: the newest in the store.")] = None,
    model: OfModel = None,
    keep_previous: Annotated[
        bool, typer.Option("--keep-previous", help="Keep the one that served loaded: `rollback` loads nothing then.")
    ] = False,
    skip_gate: SkipGate = False,
    allow_breaking: AllowBreaking = False,
    max_slowdown: MaxSlowdown = None,
    measure: Measure = None,
    max_failures: MaxFailures = None,
    max_gap_ms: MaxGap = None,
    dry_run: DryRun = False,
    engine: EngineName = None,
    timeout: Timeout = None,
    lock_wait: LockWait = 0.0,
    models_dir: ModelsDir = None,
    state_dir: StateDir = None,
    config: Config = None,
    project: Project = None,
    env: Env = None,
    quiet: Quiet = False,
    json: Json = False,
) -> None:
    """Serve another version in the place of the current one, proven first; no request fails meanwhile."""
    from deployer import console
    from deployer.operations.redeploy import redeploy as run

    settings = settings_of(locals())
    result = run(
        name,
        version=version,
        model=model,
        keep_previous=keep_previous,
        settings=settings,
        dry_run=dry_run,
        progress=progress_of(quiet),
    )
    show(result, json, console.show_up_quietly if quiet else console.show_up)


@verbs.command(epilog=examples_text("deployer label digits canary=7", "deployer label digits stable=7 canary="))
def label(
    name: Annotated[str, typer.Argument(metavar="NAME", help="The deployment.")],
    labels: Annotated[
        list[str], typer.Argument(metavar="LABEL=VERSION", help="Points a label to a version; LABEL= takes it away.")
    ],
    model: OfModel = None,
    skip_gate: SkipGate = False,
    allow_breaking: AllowBreaking = False,
    max_slowdown: MaxSlowdown = None,
    measure: Measure = None,
    max_failures: MaxFailures = None,
    max_gap_ms: MaxGap = None,
    dry_run: DryRun = False,
    engine: EngineName = None,
    timeout: Timeout = None,
    lock_wait: LockWait = 0.0,
    models_dir: ModelsDir = None,
    state_dir: StateDir = None,
    config: Config = None,
    project: Project = None,
    env: Env = None,
    quiet: Quiet = False,
    json: Json = False,
) -> None:
    """Point labels to versions, which are loaded and proven first; what no label needs any more is unloaded.

    Requests without version or label go to the highest version that is loaded.
    """
    from deployer import console
    from deployer.operations.redeploy import label as run

    settings = settings_of(locals())
    result = run(name, _labels(labels), model=model, settings=settings, dry_run=dry_run, progress=progress_of(quiet))
    show(result, json, console.show_up_quietly if quiet else console.show_up)


def _labels(texts: list[str]) -> dict[str, int | None]:
    """`canary=7` and `canary=` as values. Raises UsageError, InvalidValue."""
    from deployer.config.spec import check_label
    from deployer.errors import UsageError
    from deployer.results.model import check_version

    found: dict[str, int | None] = {}
    for text in texts:
        name, equals, version = text.partition("=")
        if not equals:
            raise UsageError(f"{text[:60]!r} is not LABEL=VERSION", hint="canary=7, or canary= to take it away")
        found[check_label(name)] = check_version(version) if version else None
    return found
