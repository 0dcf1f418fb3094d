"""The application: its help, its version, its exit codes, its commands."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from functools import cache
from importlib import import_module
from pathlib import Path
from typing import Annotated, Any

import typer
from typer.core import TyperGroup

from deployer import __version__
from deployer.cli.command import build
from deployer.errors import exit_codes

HELP = "From a trained TensorFlow model to a verified TensorFlow Serving endpoint."
EXIT_CODES = "Exit codes: " + " · ".join(f"{code} {meaning}" for code, meaning in exit_codes().items())
ORDER = (
    *"init export up plan redeploy label rollback scale down unlock status history logs smoke predict versions".split(),
    *"prune diff inspect render".split(),
    "image build",
    "image push",
    *"token doctor".split(),
)
"""The order of the commands in `--help`. One that is missing here comes last."""
ALIASES = {"ps": "status"}
DIRECTORY = Path(__file__).parent / "commands"


@cache
def names() -> tuple[str, ...]:
    """Return the names of all commands as they are typed, one for each module in `commands/`, and the aliases.

    The module of `image build` is `image_build`.
    """
    modules = {path.stem.replace("_", " ") for path in DIRECTORY.glob("[!_]*.py")}
    return (*(name for name in ORDER if name in modules), *sorted(modules.difference(ORDER)), *ALIASES)


def summary(name: str) -> str:
    """Return the first line of a command's module, its summary in `--help`."""
    # Importing all commands takes longer than most commands do.
    with (DIRECTORY / f"{name.replace(' ', '_')}.py").open(encoding="utf-8") as module:
        return module.readline().strip('"\n').removesuffix(".")


class Commands(Mapping[str, Any]):
    """The commands by the next word that is typed after `words`. Each is imported and built when it is used."""

    def __init__(self, words: str = "") -> None:
        self._prefix = f"{words} ".lstrip()

    def __getitem__(self, name: str) -> Any:
        if name not in self._next_words():
            raise KeyError(name)
        full_name = f"{self._prefix}{name}"
        if full_name not in names():
            return Group(words=full_name, name=name, no_args_is_help=True, rich_markup_mode=None)
        module_name = ALIASES.get(full_name, full_name).replace(" ", "_")
        module = import_module(f"deployer.cli.commands.{module_name}")
        function: Callable[..., None] = getattr(module, module_name)
        return build(function, name, module.__doc__ or "", hidden=name in ALIASES)

    def _next_words(self) -> tuple[str, ...]:
        after = (each.removeprefix(self._prefix) for each in names() if each.startswith(self._prefix))
        return tuple(dict.fromkeys(each.partition(" ")[0] for each in after))

    def __iter__(self) -> Iterator[str]:
        return iter(self._next_words())

    def __len__(self) -> int:
        return len(self._next_words())


class Group(TyperGroup):
    """The application with its commands, or those that begin with the same words, such as `image`."""

    def __init__(self, *, words: str = "", **settings: Any) -> None:
        super().__init__(**settings)
        self.words = words
        self.commands = Commands(words)  # type: ignore[assignment]

    def list_commands(self, ctx: typer.Context) -> list[str]:  # type: ignore[override]
        """Return the names of all commands."""
        del ctx
        return list(self.commands)

    def format_commands(self, ctx: typer.Context, formatter: Any) -> None:  # type: ignore[override]
        """Write the list of commands in `--help`. No command is built for it."""
        del ctx
        listed = [name for name in names() if name not in ALIASES and name.startswith(self.words)]
        with formatter.section("Commands"):
            formatter.write_dl([(name, summary(name)) for name in listed])


app = typer.Typer(
    name="deployer",
    cls=Group,
    help=HELP,
    epilog=EXIT_CODES,
    no_args_is_help=True,
    rich_markup_mode=None,
    add_completion=True,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 110},
)


def _print_version(requested: bool) -> None:
    if requested:
        typer.echo(f"deployer {__version__}")
        raise typer.Exit


@app.callback(help=HELP)
def main(
    version: Annotated[
        bool, typer.Option("--version", callback=_print_version, is_eager=True, help="Print the version and exit.")
    ] = False,
) -> None:
    """Take the options that belong to no command."""
