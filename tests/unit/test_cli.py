"""The commands of the command line: each is found where it is declared, and the others are not imported."""

from __future__ import annotations

import re
import sys
from pathlib import Path
from typing import Any

import pytest
import typer
from support.cli import in_process

from deployer import cli
from deployer.cli.app import ALIASES, ORDER, names, summary
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
    listed = in_process("--help", cwd=tmp_path).out.partition("Commands:\n")[2].partition("\n\n")[0]
    shown = [line.strip().partition("  ")[0] for line in listed.splitlines() if line[2] != " "]
    assert shown == COMMANDS
    assert [name for name in shown if name in ORDER] == [*ORDER] == shown[: len(ORDER)]


def test_a_verb_that_is_mistyped_is_answered_with_the_one_that_was_meant(tmp_path: Path) -> None:
    ended = in_process("rolback", cwd=tmp_path)
    assert (ended.code, "Did you mean 'rollback'" in ended.err) == (2, True)


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
