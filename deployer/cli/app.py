"""The application: its help, its version, its exit codes, its commands."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Mapping
from functools import cache
from importlib import import_module
from pathlib import Path
from typing import Annotated, Any

import typer
from typer.core import TyperCommand, TyperGroup

from deployer import __version__
from deployer.cli.command import build
from deployer.cli.completion import split_versions
from deployer.cli.usage import WRONG_USAGE, unknown_command, usage_error
from deployer.errors import DeployerError, UsageError, exit_codes

HELP = "From a trained TensorFlow model to a verified TensorFlow Serving endpoint."
EXIT_CODES = "Exit codes: " + " · ".join(f"{code} {meaning}" for code, meaning in exit_codes().items())
EPILOG = "'deployer help COMMAND' shows the options of a command."
GROUPS = {
    "Deploy": tuple("init export up plan redeploy label rollback scale down".split()),
    "Observe": tuple("status history logs smoke predict bench".split()),
    "Models": tuple("versions diff inspect prune".split()),
    "Files and images": ("render", "image build", "image push"),
    "Gateway and machine": ("token", "unlock", "doctor"),
}
"""The groups of commands in `--help`, in order."""
ORDER = tuple(name for group in GROUPS.values() for name in group)
OTHER = "Other"
"""The last group: commands that no other one has."""
HELP_WORD = "help"
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
            return Group(words=full_name, name=name, rich_markup_mode=None)
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
        """Write the groups of commands in `--help`. No command is built for it."""
        del ctx
        listed = [name for name in names() if name not in ALIASES and name.startswith(self.words)]
        width = max(map(len, listed))
        for group, members in grouped(listed).items():
            with formatter.section(group):
                formatter.write_dl([(name.ljust(width), summary(name)) for name in members])

    def shell_complete(self, ctx: typer.Context, incomplete: str) -> list[Any]:  # type: ignore[override]
        """Return the next words that begin so. No command is built for it."""
        words = {word: self._purpose(word) for word in self.commands if f"{self.words} {word}".strip() not in ALIASES}
        if not self.words:
            words[HELP_WORD] = "Show the help of a command"
        commands = self.commands
        self.commands = {word: TyperCommand(word, callback=None, help=purpose) for word, purpose in words.items()}
        try:
            return super().shell_complete(ctx, incomplete)
        finally:
            self.commands = commands

    def _purpose(self, word: str) -> str:
        name = f"{self.words} {word}".strip()
        return summary(name) if name in names() else f"Commands that begin with {name}"

    def parse_args(self, ctx: typer.Context, args: list[str]) -> list[str]:  # type: ignore[override]
        """Read the arguments; `help COMMAND` means `COMMAND --help`."""
        if args[:1] == [HELP_WORD] and not self.words:
            args = [*args[1:], "--help"]
        if not args and not ctx.resilient_parsing:
            typer.echo(ctx.get_help(), err=True)
            raise typer.Exit(UsageError.exit_code)
        return super().parse_args(ctx, args)

    def resolve_command(self, ctx: typer.Context, args: list[str]) -> Any:  # type: ignore[override]
        """Return the command that was typed. Raises UsageError with the nearest one."""
        if not ctx.resilient_parsing and args[0] not in self.commands and not args[0].startswith("-"):
            raise unknown_command(ctx.command_path, args[0], names(), f"{self.words} ".lstrip())
        return super().resolve_command(ctx, args)

    def main(self, *args: Any, **settings: Any) -> Any:
        """Run a command line. Raises UsageError for one that cannot be understood."""
        settings["standalone_mode"] = False
        if os.environ.get("_DEPLOYER_COMPLETE") == "complete_bash":
            split_versions(os.environ)
        try:
            code = super().main(*args, **settings)
        except WRONG_USAGE as error:
            raise usage_error(error) from error
        except typer.Abort:
            typer.echo("aborted", err=True)
            code = DeployerError.exit_code
        if code:
            raise SystemExit(code)


def grouped(listed: list[str]) -> dict[str, list[str]]:
    """Return commands by their group. A group without any of them is left out."""
    groups = {group: [name for name in members if name in listed] for group, members in GROUPS.items()}
    groups[OTHER] = [name for name in listed if name not in ORDER]
    return {group: members for group, members in groups.items() if members}


app = typer.Typer(
    name="deployer",
    cls=Group,
    help=HELP,
    epilog=f"{EPILOG}\n\n{EXIT_CODES}",
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
        bool,
        typer.Option("--version", "-V", callback=_print_version, is_eager=True, help="Print the version and exit."),
    ] = False,
) -> None:
    """Take the options that belong to no command."""
