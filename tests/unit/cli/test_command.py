"""Options are declared by fields: each is typed as it says, arrives as the field's type, and has its place."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

import pytest

from deployer.cli.command import build
from deployer.cli.options import Output
from deployer.config.fields import Group, doc
from deployer.config.options import TABLES, ExportFields, Settings
from deployer.config.spec import Docker, Gate, ModelSpec, Server, Spec, Swarm
from deployer.errors import InvalidValue, UsageError
from deployer.rollout.export_options import ExportOptions

SIZE, OTHER = Group("size", "Model", always=True), Group("other", "Server")


def _even(text: str) -> int:
    if int(text) % 2:
        raise InvalidValue(f"{text} is odd")
    return int(text)


@dataclass(frozen=True)
class Options:
    plain: str | None = doc("a text", SIZE, default=None)
    some_path: Path | None = doc("gRPC stays", SIZE, metavar="FILE", default=None)
    on: bool = doc("a flag", SIZE, default=False)
    either: bool | None = doc("a choice", SIZE, names="--either/--neither", default=None)
    many: tuple[str, ...] = doc("texts", SIZE, names="--each -e", repeated=True, default=())
    even: int = doc("a number", SIZE, parse=_even, default=4)
    first: str = doc("a text", SIZE, names="--two", repeated=True, parse=lambda texts: texts[0], default="")
    second: str = doc("a text", SIZE, names="--two", repeated=True, parse=lambda texts: texts[-1], default="")
    number: float = doc("a number", OTHER, default=0.5)
    not_typed: str = "as it is"


TAKEN: list[Any] = []


def probe(name: str, options: Annotated[Options, OTHER], output: Output) -> None:
    TAKEN.append((name, options, output))


def lesser(options: Options) -> None:
    """Take no more than what is always taken."""


def taken(*typed: str) -> tuple[str, Options, Output]:
    build(probe, "probe", "Probe.\n\ndeployer probe").main(["n", *typed], standalone_mode=False)
    return TAKEN.pop()


@pytest.mark.parametrize(
    ("typed", "changed"),
    [
        ([], {}),
        (["--plain", "a"], {"plain": "a"}),
        (["--some-path", "a/b"], {"some_path": Path("a/b")}),
        (["--on"], {"on": True}),
        (["--either"], {"either": True}),
        (["--neither"], {"either": False}),
        (["--each", "a", "-e", "b"], {"many": ("a", "b")}),
        (["--even", "6"], {"even": 6}),
        (["--two", "a", "--two", "b"], {"first": "a", "second": "b"}),
        (["--number", "2"], {"number": 2.0}),
    ],
)
def test_what_is_typed_arrives_as_the_field_has_it(typed: list[str], changed: dict[str, Any]) -> None:
    name, options, output = taken(*typed)
    assert (name, output) == ("n", Output())
    assert options == dataclasses.replace(Options(), **changed)
    assert [type(value) for value in vars(options).values()] == [
        type(value) for value in vars(dataclasses.replace(Options(), **changed)).values()
    ]


def test_a_value_that_a_field_refuses_is_refused_with_its_own_error() -> None:
    with pytest.raises(InvalidValue):
        taken("--even", "3")


def test_a_group_that_a_command_does_not_name_is_not_taken() -> None:
    options = {
        name for parameter in build(lesser, "lesser", "Take less.\n\ndeployer lesser").params for name in parameter.opts
    }
    assert "--plain" in options
    assert "--number" not in options
    assert "--not-typed" not in options


def test_the_last_paragraph_of_the_docstring_is_the_examples() -> None:
    built = build(probe, "probe", "Probe.\n\nMore.\n\n    deployer probe a\n    deployer probe b\n")
    assert (built.help, built.epilog) == ("Probe.\n\nMore.", "Examples:\n\n  deployer probe a\n\n  deployer probe b")


def test_help_is_the_text_of_the_field_in_the_panel_of_its_group() -> None:
    shown = {option.name: option for option in build(probe, "probe", "Probe.\n\ndeployer probe").params}
    assert shown["plain"].help == "A text."
    assert shown["some_path"].help == "gRPC stays."
    assert shown["each"].help == "Texts; repeatable."
    assert (shown["plain"].rich_help_panel, shown["number"].rich_help_panel) == ("Model", "Server")


@pytest.mark.parametrize("table", TABLES)
def test_an_option_that_is_a_key_has_its_text_and_its_place_in_the_document(table: str) -> None:
    kind = {"": Spec, "server": Server, "gate": Gate, "docker": Docker, "swarm": Swarm}[table]
    for field in dataclasses.fields(TABLES[table]):
        assert kind.__dataclass_fields__[field.name].metadata == field.metadata
        assert f"{table}.{field.name}".lstrip(".") in Settings().overrides()
        assert field.name in {each.name for each in dataclasses.fields(Settings)}


def test_what_shapes_an_export_is_declared_once() -> None:
    for field in dataclasses.fields(ExportFields):
        assert ModelSpec.__dataclass_fields__[field.name].metadata is field.metadata
        assert ExportOptions.__dataclass_fields__[field.name].metadata is field.metadata


def test_settings_that_are_not_typed_override_nothing() -> None:
    assert not [key for key, value in Settings().overrides().items() if value is not None]
    given = Settings(rest_port=0, skip_gate=True, max_failures=0, memory="2g").overrides()
    assert {key: value for key, value in given.items() if value is not None} == {
        "server.rest_port": 0,
        "gate.skip": True,
        "gate.max_failures": 0,
        "docker.memory": "2g",
    }


def test_a_signature_is_required_or_added_by_one_option(tmp_path: Path) -> None:
    fields = ExportOptions.__dataclass_fields__
    required, added = (fields[name].metadata["option"].parse for name in ("signature", "signatures"))
    assert (required(["a", "b=f.py:g"]), added(["a", "b=f.py:g"])) == ("a", ("b=f.py:g",))
    with pytest.raises(UsageError):
        required(["a", "b"])
