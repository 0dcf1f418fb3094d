"""Options that several verbs share, and what becomes of them: plain values for an operation."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated, Any

import typer

Json = Annotated[bool, typer.Option("--json", help="Print the result as one JSON object.")]
Quiet = Annotated[
    bool, typer.Option("--quiet", "-q", help="Only the result, of a deploy the endpoint, and notes: no progress.")
]
Config = Annotated[Path | None, typer.Option(help="Configuration file; unset: deployer.toml here, if there is one.")]
Project = Annotated[
    str | None, typer.Option("--project", "-p", help="The project; unset: deployer.toml's, or the folder's name.")
]
Env = Annotated[str | None, typer.Option(help="Environment: applies the overlay [env.NAME].")]
EngineName = Annotated[str | None, typer.Option("--engine", help="auto, docker or embedded.")]
ModelsDir = Annotated[Path | None, typer.Option(help="The store of model versions.")]
StateDir = Annotated[Path | None, typer.Option(help="The history, and a folder for what each deployment runs with.")]
TemplatesDir = Annotated[Path | None, typer.Option(help="Templates of your own.")]
Host = Annotated[str | None, typer.Option(help="Address to bind the ports to.")]
RestPort = Annotated[int | None, typer.Option(help="REST port; 0: any free one.")]
GrpcPort = Annotated[int | None, typer.Option(help="gRPC port; 0: any free one.")]
Timeout = Annotated[float | None, typer.Option(help="Seconds until the models must be available.")]
LockWait = Annotated[float, typer.Option(help="Seconds to wait for another command on the same deployment.")]
SkipGate = Annotated[
    bool,
    typer.Option("--skip-gate", help="Serve it unproven, and note that; what is broken meets clients first."),
]
AllowBreaking = Annotated[
    bool, typer.Option("--allow-breaking", help="Let signatures change so that clients of the serving version break.")
]
MaxSlowdown = Annotated[
    float | None,
    typer.Option(metavar="TIMES", help="Refuse a version whose answers take more than so many times as long as now."),
]
Measure = Annotated[
    float | None,
    typer.Option(metavar="RATE", help="Ask so many golden questions a second meanwhile; tell what clients noticed."),
]
MaxFailures = Annotated[
    int | None, typer.Option(metavar="N", help="Take it back when more requests than that failed; implies --measure.")
]
MaxGap = Annotated[
    float | None,
    typer.Option("--max-gap", metavar="MS", help="Take it back when no answer came for so long; implies --measure."),
]
DryRun = Annotated[bool, typer.Option("--dry-run", help="Show the plan and do nothing.")]
OfModel = Annotated[
    str | None, typer.Option("--model", metavar="MODEL", help="The model, where the deployment serves several.")
]
Deployed = Annotated[
    str | None, typer.Argument(metavar="NAME", help="The deployment; unset: deployer.toml's, or the only one.")
]
ModelName = Annotated[str | None, typer.Option("--name", help="Name of the model; unset: taken from the source.")]
Version = Annotated[str | None, typer.Option("--version", help="Version to make; unset: the next.")]
Inputs = Annotated[
    list[str] | None, typer.Option("--input", help="Input of serving_default, name:dtype[shape]; repeatable.")
]
SignatureName = Annotated[
    list[str] | None,
    typer.Option(
        "--signature",
        metavar="NAME[=FILE.py:FUNCTION]",
        help="A signature that the model must have, or one to add from your own code; repeatable.",
    ),
]
CustomObjects = Annotated[
    str | None,
    typer.Option(
        metavar="FILE.py:NAME", help="Classes and functions that a Keras file needs: a dict, a class or a function."
    ),
]
Weights = Annotated[
    Path | None, typer.Option(metavar="FILE", help="Weights for the Keras model that file.py:function builds.")
]
ServeAs = Annotated[
    list[str] | None,
    typer.Option(
        "--serve-as",
        metavar="examples|jpeg",
        help="Add a signature that takes tf.Example messages, or encoded images; repeatable.",
    ),
]
Examples = Annotated[
    Path | None,
    typer.Option(
        help="Example inputs for the golden set: .json, .jsonl, .npz, .csv, .tfrecord, or a folder of images."
    ),
]
Trust = Annotated[bool, typer.Option("--trust", help="Let the model file run the code that it carries.")]
Tags = Annotated[
    str | None,
    typer.Option(metavar="TAG,TAG", help="Tags of the graph to take from a SavedModel that has several; '': none."),
]
DefaultSignature = Annotated[
    str | None, typer.Option(metavar="NAME", help="A signature that is served as serving_default too.")
]
GraphInputs = Annotated[
    list[str] | None,
    typer.Option("--graph-input", metavar="NAME=TENSOR", help="Input of a graph (.pb, .meta), x=x:0; repeatable."),
]
GraphOutputs = Annotated[
    list[str] | None,
    typer.Option("--graph-output", metavar="NAME=TENSOR", help="Output of a graph (.pb, .meta), y=y:0; repeatable."),
]
Warmup = Annotated[
    bool | None,
    typer.Option("--warmup/--no-warmup", help="A warm-up file from the golden set; unset: not for SavedModels."),
]
Force = Annotated[bool, typer.Option("--force", help="Make a version even if nothing changed.")]


def examples_text(*lines: str) -> str:
    return "Examples:\n\n" + "\n\n".join(f"  {line}" for line in lines)


def settings_of(given: Mapping[str, Any]) -> Any:
    """What was typed that is a setting; the parameters of a verb bear the settings' names."""
    from dataclasses import fields

    from deployer.rollout.workspace import Settings

    return Settings(**{field.name: given[field.name] for field in fields(Settings) if field.name in given})


def export_options(given: Mapping[str, Any]) -> Any:
    """The same for what shapes an export; lists become tuples, and what was not typed is the default."""
    from dataclasses import fields

    from deployer.results.model import check_version
    from deployer.rollout.exporting import ExportOptions

    names = {field.name for field in fields(ExportOptions)} - {"version", "tags", "signature", "signatures"}
    typed = {name: given[name] for name in names if given.get(name) is not None}
    plain: Any = {name: tuple(value) if isinstance(value, list) else value for name, value in typed.items()}
    version, tags, signature = (given[name] for name in ("version", "tags", "signature"))
    number = None if version is None else check_version(version)
    chosen = None if tags is None else tuple(sorted({tag for tag in tags.split(",") if tag}))
    added = tuple(text for text in signature or () if "=" in text)
    return ExportOptions(version=number, tags=chosen, signature=_required(signature), signatures=added, **plain)


def _required(signature: list[str] | None) -> str | None:
    from deployer.errors import UsageError

    names = [text for text in signature or () if "=" not in text]
    if len(names) > 1:
        raise UsageError(
            "--signature NAME names one that must be there: give it once", hint="--signature NAME=file.py:f"
        )
    return names[0] if names else None


def show(result: Any, as_json: bool, as_text: Callable[[Any], None]) -> None:
    from deployer import console

    console.show_json(result) if as_json else as_text(result)


@contextmanager
def partly(as_json: bool, as_text: Callable[[Any], None]) -> Iterator[None]:
    """Show what was found or done before an error is shown that keeps the rest; in JSON both are one object."""
    from deployer.errors import DeployerError

    try:
        yield
    except DeployerError as error:
        if error.results and not as_json:
            as_text(error.results)
        raise


def progress_of(quiet: bool) -> Callable[[str], None]:
    from deployer import console
    from deployer.rollout.workspace import silent

    return silent if quiet else console.progress
