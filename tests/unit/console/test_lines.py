"""Errors, notes and progress go to stderr, data to stdout; colour is for terminals."""

from __future__ import annotations

import json
import os
import re
import shutil
import sys
from typing import Any

import pytest
from support.cli import started_anew
from support.results import (
    PROOF,
)
from support.world import MODELS

from deployer import console
from deployer.console import terminal
from deployer.errors import DeployerError, PortTaken, VerificationFailed
from deployer.results.logs import LogLine
from deployer.results.progress import Note, Phase

FAILURE = VerificationFailed("it answered wrong", hint="look at it", log=("first", "last"))


def test_an_error_goes_to_stderr_with_log_and_hint(capsys):
    console.lines.error(FAILURE)
    assert capsys.readouterr() == ("", "error: it answered wrong\n  | first\n  | last\nhint: look at it\n")
    console.lines.error(PortTaken("port 1 is taken"))
    assert capsys.readouterr() == ("", "error: port 1 is taken\n")


def test_an_error_ends_with_what_serves(capsys):
    failure = PortTaken("port 1 is taken", hint="choose another")
    failure.notices, failure.serving = ("one",), "m:1 still serves"
    console.lines.error(failure)
    assert capsys.readouterr().err.splitlines()[-2:] == ["hint: choose another", "note: m:1 still serves"]
    console.objects.error_json(failure)
    assert json.loads(capsys.readouterr().out)["notices"] == ["one", "m:1 still serves"]


def test_bugs_leave_stdout_alone(capsys):
    console.lines.bug(DeployerError("it broke: report.txt"))
    shown = capsys.readouterr()
    assert shown.out == ""
    assert "report.txt" in shown.err


class Terminal:
    """Standard output and error that pass for a terminal."""

    def __init__(self, stream: Any) -> None:
        self._stream = stream

    def isatty(self) -> bool:
        return True

    def __getattr__(self, name: str) -> Any:
        return getattr(self._stream, name)


@pytest.mark.parametrize(("no_color", "colored"), [(None, True), ("1", False), ("", True)])
def test_colour_is_for_terminals_of_those_who_want_it(capsys, monkeypatch, no_color, colored):
    monkeypatch.delenv("NO_COLOR", raising=False)
    if no_color is not None:
        monkeypatch.setenv("NO_COLOR", no_color)
    console.reports.show_report(PROOF)
    assert "\033[" not in capsys.readouterr().out
    for name in ("stdout", "stderr"):
        monkeypatch.setattr(f"sys.{name}", Terminal(getattr(sys, name)))
    console.reports.show_report(PROOF)
    assert ("\033[" in capsys.readouterr().out) is colored


def test_a_file_name_that_the_terminal_cannot_show_is_shown_escaped(tmp_path):
    store = tmp_path / os.fsdecode(b"m\xc3\xbc\xff")
    shutil.copytree(MODELS / "half_plus_two" / "1", store / "m" / "1")
    ended = started_anew("versions", "--models-dir", store.name, cwd=tmp_path, PYTHONIOENCODING="ascii")
    assert (ended.code, "m\\xfc\\udcff" in ended.out) == (0, True), ended.err


ROWS = [("NAME", "MODELS", "BY"), ("m", "a: 1, 2, 3; b: 1, 2", "someone@somewhere"), ("n", "c:1", "x")]


@pytest.mark.parametrize("columns", [400, 40, 30, 20, 1])
def test_a_table_fits_the_terminal(capsys, monkeypatch, columns):
    console.lines.table(ROWS)
    piped = capsys.readouterr().out
    assert "…" not in piped
    monkeypatch.setattr("sys.stdout.isatty", lambda: True)
    monkeypatch.setenv("COLUMNS", str(columns))
    console.lines.table(ROWS)
    shown = capsys.readouterr().out
    assert max(map(len, shown.splitlines())) <= max(columns, 16)  # no cell has less than four characters
    assert ("…" in shown) is (shown != piped)
    assert (shown == piped) is (columns == 400)


def test_no_error_controls_the_terminal(capsys):
    console.lines.error(PortTaken("the server said \033[2J:\nand more\r", hint="a\033b", log=("\033]0;title\a",)))
    shown = capsys.readouterr().err
    expected = "error: the server said \\x1b[2J:\nand more\\x0d\n  | \\x1b]0;title\\x07\nhint: a\\x1bb\n"
    assert shown == expected


HOSTILE = "\033[2Ja\x9b\u202e\rb\a"
SHOW = {
    "data": console.lines.out,
    "prose": console.lines.paragraphs,
    "note": console.lines.note,
    "cell": lambda text: console.lines.table([("NAME", "STATE"), (text, "up")]),
    "phase": lambda text: console.phases.show(Phase(text), "plain"),
    "event": lambda text: console.phases.show(Note(text), "plain"),
    "object": lambda text: console.objects.show_answer({"text": text}),
    "error": lambda text: console.lines.error(PortTaken(text)),
    "notice": lambda text: console.lines.show_notices((text,)),
}


@pytest.mark.parametrize("show", SHOW.values(), ids=SHOW)
@pytest.mark.parametrize("color", ["", "1"])
def test_nothing_that_is_shown_controls_the_terminal(capsys, monkeypatch, show, color):
    monkeypatch.setenv("FORCE_COLOR", color)
    show(HOSTILE)
    captured = capsys.readouterr()
    shown = captured.out + captured.err
    for color_code in ("\033[1m", "\033[31m", "\033[0m"):
        shown = shown.replace(color_code, "")
    assert not terminal.CONTROL.search(shown)
    assert re.search(r"\\[ux](00)?1b\[2Ja.*b\\[ux](00)?07", shown)


def test_the_text_of_an_object_is_what_it_was(capsys):
    console.objects.show_answer({"text": HOSTILE})
    assert json.loads(capsys.readouterr().out) == {"text": HOSTILE}


def test_a_log_that_is_piped_is_not_changed(capsys):
    console.lines.show_log_line(LogLine("\033[32mready\033[0m", None))
    assert capsys.readouterr().out == "\033[32mready\033[0m\n"
