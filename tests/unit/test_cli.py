"""The commands of the command line: each is found where it is declared, and the others are not imported."""

from __future__ import annotations

import re
import shlex
import sys
from pathlib import Path
from typing import Any

import pytest
import typer
from support.cli import in_process

from deployer import cli
from deployer.cli.app import ALIASES, GROUPS, OTHER, grouped, names, summary
from deployer.cli.command import PANELS

COMMANDS = [name for name in names() if name not in ALIASES]


def test_every_module_of_commands_is_a_command_of_its_name() -> None:
    files = {path.stem for path in (Path(cli.__file__).parent / "commands").glob("*.py")} - {"__init__"}
    assert files == {name.replace(" ", "_") for name in COMMANDS}
    assert [found(name).name for name in names()] == [name.split()[-1] for name in names()]


def found(name: str) -> Any:
    """The command that these words lead to."""
    command = typer.main.get_command(cli.app)
    for word in name.split():
        command = command.commands[word]
    return command


def test_words_that_several_commands_begin_with_list_them(tmp_path: Path) -> None:
    ended = in_process("image", "--help", cwd=tmp_path)
    assert re.findall(r"^  (image \w+)  ", ended.out, re.MULTILINE) == ["image build", "image push"]
    assert in_process("image", "bild", cwd=tmp_path).code == 2
    assert in_process("build", cwd=tmp_path).code == 2


@pytest.mark.parametrize("name", COMMANDS)
def test_a_summary_fits_into_the_list_of_commands(name: str) -> None:
    assert 0 < len(summary(name)) <= 45


@pytest.mark.parametrize("name", COMMANDS)
def test_a_summary_is_the_first_line_of_the_help(name: str) -> None:
    command = found(name)
    assert (command.help.splitlines()[0], command.epilog.startswith("Examples:\n\n  ")) == (f"{summary(name)}.", True)


@pytest.mark.parametrize("name", COMMANDS)
def test_every_option_of_a_group_is_shown_in_a_panel_of_its_own(tmp_path: Path, name: str) -> None:
    sections = re.findall(r"^(\w+):$", in_process(*name.split(), "--help", cwd=tmp_path).out, re.MULTILINE)
    assert [each for each in sections if each != "Examples"] == [each for each in PANELS if each in sections]
    assert {"Options", "Output"} <= {*sections}


def test_help_lists_the_verbs_in_the_order_in_which_a_person_meets_them(tmp_path: Path) -> None:
    shown = groups(in_process("--help", cwd=tmp_path).out)
    assert [name for group in shown.values() for name in group] == COMMANDS
    assert {group: tuple(listed) for group, listed in shown.items() if group != OTHER} == GROUPS


def groups(text: str) -> dict[str, list[str]]:
    """The commands that a help lists, by their group."""
    listed = text.partition("\n\nDeploy:\n")[2].partition("\n\n  'deployer help")[0]
    parts = (part.partition(":\n") for part in f"Deploy:\n{listed}".split("\n\n"))
    return {name: re.findall(r"^  (\S+(?: \S+)?)  ", rows, re.MULTILINE) for name, _, rows in parts}


def test_a_command_without_a_group_comes_last() -> None:
    assert grouped(["new", "up", "doctor"]) == {"Deploy": ["up"], "Gateway and machine": ["doctor"], OTHER: ["new"]}


@pytest.mark.parametrize("words", [[], ["up"], ["image"], ["image", "build"]], ids=" ".join)
def test_help_prints_the_help_of_a_command(tmp_path: Path, words: list[str]) -> None:
    shown = in_process("help", *words, cwd=tmp_path)
    assert (shown.code, shown.out) == (0, in_process(*words, "--help", cwd=tmp_path).out)


def test_the_version_has_a_short_option(tmp_path: Path) -> None:
    shown = in_process("-V", cwd=tmp_path)
    assert (shown.code, shown.out) == (0, in_process("--version", cwd=tmp_path).out)


@pytest.mark.parametrize("words", ["", "image", *COMMANDS])
def test_help_fits_80_columns(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, words: str) -> None:
    monkeypatch.setenv("COLUMNS", "80")
    shown = in_process(*words.split(), "--help", cwd=tmp_path).out
    assert [line for line in shown.splitlines() if len(line) > 80] == []


@pytest.mark.parametrize("name", COMMANDS)
def test_an_example_that_goes_on_in_the_next_line_is_the_same_command(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    monkeypatch.setenv("COLUMNS", "50")
    shown = in_process(*name.split(), "--help", cwd=tmp_path).out.partition("Examples:\n")[2]
    examples = [line.strip() for line in found(name).epilog.splitlines()[1:] if line.strip()]
    assert [shlex.split(line) for line in shown.replace("\\\n", "").splitlines()] == [*map(shlex.split, examples)]


@pytest.mark.parametrize(
    ("arguments", "meant"),
    [
        (("rolback",), "rollback"),
        (("help", "rolback"), "rollback"),
        (("image", "bild"), "image build"),
        (("build",), "image build"),
        (("status", "--jsn"), "--json"),
        (("redeploy", "--modelsdir", "x"), "--models-dir"),
        (("xyzzy",), None),
        (("status", "--xyzzy"), None),
        (("\033[31m",), None),
    ],
    ids=str,
)
def test_what_is_mistyped_is_answered_with_the_nearest_that_exists(
    tmp_path: Path, arguments: tuple[str, ...], meant: str | None
) -> None:
    ended = in_process(*arguments, cwd=tmp_path)
    assert (ended.code, ended.out) == (2, "")
    assert re.findall(r"did you mean (.+)\?", ended.err) == ([meant] if meant else [])
    assert "\033" not in ended.err


@pytest.mark.parametrize(
    "arguments",
    [
        ("rolback",),
        ("image", "bild"),
        ("status", "--jsn"),
        ("diff", "a"),
        ("status", "a", "b"),
        ("status", "--all=3"),
        ("redeploy", "--version", "x"),
        ("logs", "--tail", "-1"),
        ("export",),
        ("up", "--name"),
    ],
    ids=" ".join,
)
def test_a_usage_error_is_an_error_as_every_other(tmp_path: Path, arguments: tuple[str, ...]) -> None:
    ended = in_process(*arguments, cwd=tmp_path)
    assert (ended.code, ended.out, ended.err.startswith("error: ")) == (2, "", True)
    command = arguments[0] if arguments[0] in names() and arguments != ("image", "bild") else ""
    ended = in_process(arguments[0], "--json", *arguments[1:], cwd=tmp_path)
    assert (ended.code, ended.err) == (2, "")
    error = ended.json["error"]
    assert error.keys() == {"code", "message", "hint", "log"}
    assert (error["code"], f"deployer {command}".strip() in error["hint"]) == (2, True)


@pytest.mark.parametrize("words", [(), ("image",)], ids=str)
def test_a_group_without_a_command_prints_its_help_as_a_usage_error(tmp_path: Path, words: tuple[str, ...]) -> None:
    ended = in_process(*words, cwd=tmp_path)
    assert (ended.code, ended.out, ended.err) == (2, "", in_process(*words, "--help", cwd=tmp_path).out)


@pytest.mark.parametrize("name", ["history", "status"])
def test_only_the_module_of_the_command_that_was_typed_is_imported(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    modules = {f"deployer.cli.commands.{each}" for each in COMMANDS}
    for each in modules:
        monkeypatch.delitem(sys.modules, each, raising=False)
    assert in_process(name, cwd=tmp_path).code == 0
    assert modules & set(sys.modules) == {f"deployer.cli.commands.{name}"}


@pytest.mark.parametrize("verb", ["up", "redeploy", "rollback", "label"])
def test_exit_code_without_a_dry_run_is_refused(tmp_path: Path, verb: str) -> None:
    ended = in_process(verb, "m", *(["canary=1"] if verb == "label" else []), "--exit-code", cwd=tmp_path)
    assert (ended.code, "--exit-code" in ended.err) == (2, True)
    if verb == "up":
        assert "--dry-run" in ended.err
        assert "deployer plan" in ended.err
