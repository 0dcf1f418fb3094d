"""What several commands take, apart from the options that `config.options` declares: arguments, and how to print."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from typing import Annotated, Any, TypeVar

import typer

from deployer.config.words import Group, doc

Result = TypeVar("Result")

JSON = Group("json", "Output", always=True)
QUIET = Group("quiet", "Output")
VERBOSE = Group("verbose", "Output")

Deployed = Annotated[
    str | None, typer.Argument(metavar="NAME", help="The deployment; unset: deployer.toml's, or the only one.")
]
Target = Annotated[
    str | None, typer.Argument(metavar="SOURCE | NAME[:VERSION]", help="Unset: what deployer.toml says.")
]
DryRun = Annotated[bool, typer.Option("--dry-run", help="Show the plan and do nothing.")]
OfModel = Annotated[
    str | None, typer.Option("--model", metavar="MODEL", help="The model, where the deployment serves several.")
]


@dataclass(frozen=True)
class Output:
    """How a result is printed."""

    json: bool = doc("print the result as one JSON object", JSON, default=False)
    quiet: bool = doc(
        "only the result, of a deploy the endpoint, and notes: no progress", QUIET, names="--quiet -q", default=False
    )

    verbose: bool = doc(
        "list every check that was made, not only one line for each model", VERBOSE, names="--verbose -v", default=False
    )

    def show(self, result: Result, as_text: Callable[[Result], None]) -> None:
        """Print a result."""
        from deployer import console

        console.show_json(result) if self.json else as_text(result)

    def show_change(self, result: Any) -> None:
        """Print what a change did."""
        from deployer import console

        self.show(result, console.show_up_quietly if self.quiet else partial(console.show_up, verbose=self.verbose))

    @property
    def progress(self) -> Callable[[str], None]:
        """Where an operation says what it is doing."""
        from deployer import console
        from deployer.rollout.workspace import no_progress

        return no_progress if self.quiet else console.progress

    @contextmanager
    def partly(self, as_text: Callable[[Any], None]) -> Iterator[None]:
        """Show what was found or done before an error is shown that keeps the rest; in JSON both are one object."""
        from deployer.errors import DeployerError

        try:
            yield
        except DeployerError as error:
            if error.results and not self.json:
                as_text(error.results)
            raise
