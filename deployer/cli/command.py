"""Builds a command of a function: a parameter that is a dataclass becomes an option for each of its fields."""

from __future__ import annotations

import dataclasses
import inspect
import re
from collections.abc import Callable, Iterator
from typing import Annotated, Any, NamedTuple, get_args, get_origin, get_type_hints

import typer
from typer.core import TyperCommand
from typer.main import get_command_from_info
from typer.models import CommandInfo

from deployer.cli import completion
from deployer.cli.usage import WRONG_USAGE
from deployer.config.fields import Group, Option, option_name, own_fields_first

WORD = re.compile(r"(?:--?[a-z][a-z-]* (?!-))?(?:'[^']*'|[^\s'])+")
"""A word of a command with its quotes, or an option with its value."""
PANELS = ("Arguments", "Options", "Load", "Report", "Model", "Verification", "Server", "Container", "Where", "Output")


def build(function: Callable[..., None], name: str, docstring: str, *, hidden: bool = False) -> Any:
    """Build the command `name` that calls `function`.

    The docstring is its help: a summary, paragraphs, and examples as the last paragraph. A parameter
    `settings: Annotated[Settings, GATE, STORE]` takes the options of those groups, and of the groups that every command
    takes; the function receives the typed value.
    """
    text, _, examples = inspect.cleandoc(docstring).rpartition("\n\n")
    epilog = "\n\n".join(("Examples:", *(f"  {line.strip()}" for line in examples.splitlines())))
    callback = _flatten(function)
    info = CommandInfo(name, cls=PanelCommand, callback=callback, help=text, epilog=epilog, hidden=hidden)
    return get_command_from_info(info, pretty_exceptions_short=False, rich_markup_mode=None)


class PanelCommand(TyperCommand):
    """A command whose help shows its options by group."""

    def parse_args(self, ctx: typer.Context, args: list[str]) -> list[str]:  # type: ignore[override]
        """Read the arguments; an error names this command, also where Typer's parser does not."""
        try:
            return super().parse_args(ctx, args)
        except WRONG_USAGE as error:
            error.ctx = getattr(error, "ctx", None) or ctx
            raise

    def format_options(self, ctx: typer.Context, formatter: Any) -> None:  # type: ignore[override]
        """Write the arguments, the command's own options, then those of the groups."""
        panels: dict[str, list[tuple[str, str]]] = {panel: [] for panel in PANELS}
        for parameter in self.get_params(ctx):
            panel = getattr(parameter, "rich_help_panel", None) or (
                "Arguments" if parameter.param_type_name == "argument" else "Options"
            )
            if record := parameter.get_help_record(ctx):
                panels.setdefault(panel, []).append(record)
        for panel, rows in panels.items():
            if rows:
                with formatter.section(panel):
                    formatter.write_dl(rows)

    def format_epilog(self, ctx: typer.Context, formatter: Any) -> None:  # type: ignore[override]
        """Write the examples. One that is too long goes on in the next line, as a shell accepts it."""
        del ctx
        head, _, examples = (self.epilog or "").partition("\n\n")
        formatter.write(f"\n{head}\n")
        for example in filter(None, examples.splitlines()):
            formatter.write("".join(f"  {line}\n" for line in _continued(example.strip(), formatter.width - 2)))


def _continued(command: str, width: int) -> Iterator[str]:
    """Yield the lines of a command, each but the last with a backslash at its end; quoted words stay whole."""
    line = ""
    for word in WORD.findall(command):
        if line and len(line) + len(word) + 3 > width and len(command) > width:
            yield f"{line} \\"
            line = "   "
        line = f"{line} {word}" if line else word
    yield line


def _flatten(function: Callable[..., None]) -> Callable[..., None]:
    """Return a function that takes an option for each field of the dataclasses that `function` takes."""
    hints = get_type_hints(function, include_extras=True)
    groups: dict[str, tuple[Any, list[_FieldOption]]] = {}
    parameters: list[inspect.Parameter] = []
    for name, parameter in inspect.signature(function).parameters.items():
        kind, *taken = get_args(hints[name]) if get_origin(hints[name]) is Annotated else (hints[name],)
        if dataclasses.is_dataclass(kind):
            groups[name] = (kind, list(_field_options(kind, taken)))
            parameters.extend(each.parameter() for each in groups[name][1] if not each.shared)
        else:
            for info in taken:
                info.autocompletion = completion.of_parameter(function.__name__, name)
            parameters.append(parameter.replace(annotation=hints[name], kind=inspect.Parameter.KEYWORD_ONLY))

    def run(**typed: Any) -> None:
        values = {
            name: kind(**{each.field: each.value(typed[each.name]) for each in options})
            for name, (kind, options) in groups.items()
        }
        function(**{name: values.get(name, typed.get(name)) for name in hints if name != "return"})

    run.__signature__ = inspect.Signature(parameters)  # type: ignore[attr-defined]
    run.__annotations__ = {parameter.name: parameter.annotation for parameter in parameters}
    return run


class _FieldOption(NamedTuple):
    """A field of a dataclass as an option. It is `shared` where an earlier field has the same spelling."""

    field: str
    name: str
    shared: bool
    spellings: tuple[str, ...]
    hint: Any
    default: Any
    option: Option

    def parameter(self) -> inspect.Parameter:
        """Return the parameter that Typer makes the option of."""
        single = str | None if self.option.parse else self.hint
        kind = list[str] | None if self.option.repeated else single
        typer_option = typer.Option(
            *self.spellings,
            metavar=self.option.metavar,
            help=_sentence(self.option.help + ("; repeatable" if self.option.repeated else "")),
            rich_help_panel=self.option.group.panel,
            autocompletion=completion.BY_OPTION.get(self.name),
        )
        default = self.default if self.default or not self.option.repeated else None
        return inspect.Parameter(
            self.name, inspect.Parameter.KEYWORD_ONLY, default=default, annotation=Annotated[kind, typer_option]
        )

    def value(self, typed: Any) -> Any:
        """Return the field's value for what was typed. Raises InvalidValue."""
        if typed is None:
            return self.default
        value = self.option.parse(typed) if self.option.parse else typed
        return tuple(value) if isinstance(value, list) else value


def _field_options(kind: Any, groups: list[Group]) -> Iterator[_FieldOption]:
    hints, seen = get_type_hints(kind), set[str]()
    for field in own_fields_first(kind):
        option: Option | None = field.metadata.get("option")
        if option and (option.group.always or option.group in groups):
            spellings = option.names or (option_name(kind, field.name),)
            name = spellings[0].partition("/")[0].removeprefix("--").replace("-", "_")
            yield _FieldOption(field.name, name, name in seen, spellings, hints[field.name], field.default, option)
            seen.add(name)


def _sentence(text: str) -> str:
    """Return a text of the reference as a sentence. A name at the start, such as `gRPC`, stays as it is."""
    first = text[:1].upper() if text[1:2].islower() or text[1:2] == " " else text[:1]
    return f"{first}{text[1:]}."
