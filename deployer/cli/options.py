"""Arguments and options of several commands that are no field of `config.options`, and how a result is printed."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Annotated, Any, TypeVar

from typer import Argument, Option

from deployer import console
from deployer.config.fields import Group, doc
from deployer.errors import DeployerError, InvalidValue
from deployer.results.progress import Event, Note

if TYPE_CHECKING:
    from deployer.results.changes import UpResult

Result = TypeVar("Result")

JSON = Group("json", "Output", always=True)
QUIET = Group("quiet", "Output")
VERBOSE = Group("verbose", "Output")
PROGRESS = Group("progress", "Output")
PROGRESS_FORMATS = ("auto", "plain", "json")

Deployed = Annotated[
    str | None, Argument(metavar="NAME", help="The deployment; unset: deployer.toml's, or the only one.")
]
Target = Annotated[
    str | None, Argument(metavar="SOURCE | NAME[:VERSION] | IMAGE@DIGEST", help="Unset: the models of deployer.toml.")
]
DryRun = Annotated[bool, Option("--dry-run", help="Show the plan and do nothing.")]
OfModel = Annotated[
    str | None, Option("--model", metavar="MODEL", help="The model, where the deployment serves several.")
]


def _progress_format(text: str) -> str:
    if text not in PROGRESS_FORMATS:
        raise InvalidValue(f"--progress {text}: no such format", hint=f"use {', '.join(PROGRESS_FORMATS)}")
    return text


@dataclass(frozen=True)
class Output:
    """How a result is printed."""

    json: bool = doc("print the result as one JSON object", JSON, default=False)
    quiet: bool = doc(
        "print only the result, or the endpoint of a deploy, and notes", QUIET, names="--quiet -q", default=False
    )
    progress: str = doc(
        "how progress is shown on stderr: auto, plain, or json (JSON Lines)",
        PROGRESS,
        parse=_progress_format,
        metavar="FORMAT",
        default="auto",
    )
    verbose: bool = doc(
        "list every check, not only a line for each model", VERBOSE, names="--verbose -v", default=False
    )
    began: float = field(default_factory=time.monotonic, compare=False)
    """When the command began, as time.monotonic has it."""

    def report(self, event: Event) -> None:
        """Show what an operation is doing, unless the output is quiet."""
        if not self.quiet or isinstance(event, Note):
            console.phases.show(event, self.progress)

    def show(self, result: Result, as_text: Callable[[Result], None]) -> None:
        """Print a result as JSON or as text."""
        console.objects.show_json(result) if self.json else as_text(result)

    def show_change(self, result: UpResult, next_steps: str = "") -> None:
        """Print what a change did, or would do, and the commands that come next."""
        if self.json:
            console.objects.show_json(result)
        elif self.quiet:
            console.deployments.show_up_quietly(result)
        else:
            seconds = time.monotonic() - self.began
            console.deployments.show_up(result, seconds, verbose=self.verbose, next_steps=next_steps)

    @contextmanager
    def partial_results(self, as_text: Callable[[Any], None]) -> Iterator[None]:
        """Print the results that an error carries before the error itself is printed. In JSON both are one object."""
        try:
            yield
        except DeployerError as error:
            if error.results and not self.json:
                as_text(error.results)
            raise
