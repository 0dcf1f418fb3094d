"""Makes commands of functions: a parameter that is a dataclass of options becomes an option for each of its fields."""

from __future__ import annotations

import dataclasses
import inspect
from collections.abc import Callable, Iterator
from typing import Annotated, Any, NamedTuple, TypeVar, get_args, get_origin, get_type_hints

import typer
from typer.core import TyperCommand
from typer.main import get_command_from_info
from typer.models import CommandInfo

from deployer.config.words import Group, Option, in_order, spelled

Function = TypeVar("Function", bound=Callable[..., None])

PANELS = ("Arguments", "Options", "Model", "Verification", "Server", "Container", "Where", "Output")
EXAMPLES: dict[Callable[..., None], tuple[str, ...]] = {}
"""The functions that are commands, and the lines that `--help` shows as examples."""


def command(*examples: str) -> Callable[[Function], Function]:
    """Declare a function as the command of its name.

    Its first docstring line is the summary. `settings: Annotated[Settings, GATE, STORE]` takes the options of those
    groups, and of the groups that are always taken; the function receives the typed value.
    """

    def declared(function: Function) -> Function:
        EXAMPLES[function] = examples
        return function

    return declared


def summary(function: Callable[..., None]) -> str:
    """The first line of its help."""
    return (function.__doc__ or "").partition("\n")[0].removesuffix(".")


def built(function: Callable[..., None], name: str, hidden: bool) -> Any:
    """The function as a command for Typer."""
    epilog = "Examples:\n\n" + "\n\n".join(f"  {line}" for line in EXAMPLES[function])
    info = CommandInfo(name, cls=InPanels, callback=_flattened(function), epilog=epilog, hidden=hidden)
    return get_command_from_info(info, pretty_exceptions_short=False, rich_markup_mode=None)


class InPanels(TyperCommand):
    """A command whose help shows its options by group."""

    def format_options(self, ctx: typer.Context, formatter: Any) -> None:  # type: ignore[override]
        """Arguments, the command's own options, then those of the groups."""
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


def _flattened(function: Callable[..., None]) -> Callable[..., None]:
    """The function with an option in place of each field of the dataclasses that it takes."""
    hints = get_type_hints(function, include_extras=True)
    taken: dict[str, tuple[Any, list[_Field]]] = {}
    flat: list[inspect.Parameter] = []
    for name, parameter in inspect.signature(function).parameters.items():
        kind, *groups = get_args(hints[name]) if get_origin(hints[name]) is Annotated else (hints[name],)
        if dataclasses.is_dataclass(kind):
            taken[name] = (kind, list(_fields(kind, groups)))
            flat.extend(each.parameter() for each in taken[name][1] if not each.shared)
        else:
            flat.append(parameter.replace(annotation=hints[name], kind=inspect.Parameter.KEYWORD_ONLY))

    def run(**given: Any) -> None:
        values = {
            name: kind(**{each.name: each.value(given[each.option]) for each in fields})
            for name, (kind, fields) in taken.items()
        }
        function(**{name: values.get(name, given.get(name)) for name in hints if name != "return"})

    run.__doc__ = function.__doc__
    run.__signature__ = inspect.Signature(flat)  # type: ignore[attr-defined]
    run.__annotations__ = {parameter.name: parameter.annotation for parameter in flat}
    return run


class _Field(NamedTuple):
    """A field of a dataclass of options; `option` is the name of its parameter, `shared` with a field before."""

    name: str
    option: str
    shared: bool
    spelled: tuple[str, ...]
    hint: Any
    default: Any
    said: Option

    def parameter(self) -> inspect.Parameter:
        """As Typer takes it."""
        of_text = str | None if self.said.parse else self.hint
        kind = list[str] | None if self.said.repeated else of_text
        help_text = _sentence(self.said.help + ("; repeatable" if self.said.repeated else ""))
        option = typer.Option(
            *self.spelled, metavar=self.said.metavar, help=help_text, rich_help_panel=self.said.group.panel
        )
        default = self.default if self.default or not self.said.repeated else None
        return inspect.Parameter(
            self.option, inspect.Parameter.KEYWORD_ONLY, default=default, annotation=Annotated[kind, option]
        )

    def value(self, given: Any) -> Any:
        """What was typed, as the field has it. Raises InvalidValue."""
        if given is None:
            return self.default
        plain = self.said.parse(given) if self.said.parse else given
        return tuple(plain) if isinstance(plain, list) else plain


def _fields(kind: Any, groups: list[Group]) -> Iterator[_Field]:
    hints, known = get_type_hints(kind), set[str]()
    for field in in_order(kind):
        said: Option | None = field.metadata.get("option")
        if said and (said.group.always or said.group in groups):
            names = said.names or (spelled(kind, field.name),)
            option = names[0].partition("/")[0].removeprefix("--").replace("-", "_")
            yield _Field(field.name, option, option in known, names, hints[field.name], field.default, said)
            known.add(option)


def _sentence(text: str) -> str:
    """A text of the reference as help: `gRPC` stays as it is."""
    first = text[:1].upper() if text[1:2].islower() or text[1:2] == " " else text[:1]
    return f"{first}{text[1:]}."
