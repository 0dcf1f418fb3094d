"""The verbs of the command line: each is found where it is declared, and the others are left alone meanwhile."""

from __future__ import annotations

import sys
from importlib import import_module
from pathlib import Path

import pytest
import typer
from support.cli import in_process

from deployer import cli
from deployer.cli.app import HOMES, verbs


def test_every_verb_that_is_declared_is_one_of_the_application_and_the_other_way_round() -> None:
    for home in set(HOMES.values()):
        import_module(f"deployer.cli.{home}")
    declared = [verb.name or verb.callback.__name__ for verb in verbs.registered_commands]
    assert sorted(declared) == sorted(HOMES)
    built = typer.main.get_command(cli.app).commands
    assert [built[name].name for name in HOMES] == list(HOMES)


def test_every_file_of_verbs_is_a_home() -> None:
    files = {path.stem for path in Path(cli.__file__).parent.glob("*.py")}
    assert files - {"__init__", "app", "confirming", "options", "outdated", "reading"} == set(HOMES.values())


def test_help_lists_the_verbs_in_the_order_in_which_a_person_meets_them(tmp_path: Path) -> None:
    listed = in_process("--help", cwd=tmp_path).out.partition("Commands:\n")[2].partition("\n\n")[0]
    shown = [line.split()[0] for line in listed.splitlines() if line[2] != " "]
    assert shown == [name for name in HOMES if name != "ps"]


def test_a_verb_that_is_mistyped_is_answered_with_the_one_that_was_meant(tmp_path: Path) -> None:
    ended = in_process("rolback", cwd=tmp_path)
    assert (ended.code, "Did you mean 'rollback'" in ended.err) == (2, True)


@pytest.mark.parametrize(("verb", "home"), [("history", "past"), ("status", "asking")])
def test_only_the_file_of_the_verb_that_was_typed_is_imported(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, verb: str, home: str
) -> None:
    homes = {f"deployer.cli.{each}" for each in HOMES.values()}
    monkeypatch.setattr(verbs, "registered_commands", [])
    for each in homes:
        monkeypatch.delitem(sys.modules, each, raising=False)
    assert in_process(verb, cwd=tmp_path).code == 0
    assert homes & set(sys.modules) == {f"deployer.cli.{home}"}


@pytest.mark.parametrize("verb", ["up", "redeploy", "rollback", "label"])
def test_exit_code_without_a_dry_run_is_refused(tmp_path: Path, verb: str) -> None:
    ended = in_process(verb, "m", *(["canary=1"] if verb == "label" else []), "--exit-code", cwd=tmp_path)
    assert (ended.code, "--exit-code" in ended.err) == (2, True)
    if verb == "up":
        assert "--dry-run" in ended.err
        assert "deployer plan" in ended.err
