"""Progress is lines that move on a terminal, plain lines elsewhere, and JSON Lines for programs."""

from __future__ import annotations

import io
import json
import re
import sys
from collections.abc import Callable

import pytest
from support.world import eventually

from deployer.console import phases, terminal
from deployer.console.phases import JsonDisplay, LiveDisplay, PlainDisplay
from deployer.results.progress import Meter, Note, Phase

UP, ERASE_LINE = "\x1b[1A", "\x1b[2K"


class Screen(io.StringIO):
    """A terminal of a given width."""

    encoding = "utf-8"

    def isatty(self) -> bool:
        return True

    def kept(self) -> list[str]:
        """The lines that stay: without what was erased, with the cursor moved up or on its line."""
        lines = [""]
        for escape, text in re.findall(r"(\x1b\[[?0-9;]*[A-Za-z]|\n)|([^\x1b\n]+)", self.getvalue()):
            if escape == "\n":
                lines.append("")
            elif escape == UP:
                lines.pop()
            elif escape == ERASE_LINE:
                lines[-1] = ""
            else:
                lines[-1] += text.strip("\r")
        return [line for line in lines if line]


def plain(text: str) -> str:
    """The text without colours and cursor movements."""
    return re.sub(r"\x1b\[[?0-9;]*[A-Za-z]", "", text)


@pytest.fixture
def terminal_of(monkeypatch: pytest.MonkeyPatch) -> Callable[..., Screen]:
    """Makes stderr a terminal from then on; pytest replaces stderr between a fixture and its test."""
    for name in ("NO_COLOR", "FORCE_COLOR"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("TERM", "xterm-256color")
    monkeypatch.setattr(phases, "ANIMATION_SECONDS", 0.01)

    def make(columns: int = 80) -> Screen:
        screen = Screen()
        monkeypatch.setenv("COLUMNS", str(columns))
        monkeypatch.setattr(sys, "stderr", screen)
        return screen

    return make


def test_a_plain_line_for_each_phase_note_and_fifth_percent(capsys):
    display = PlainDisplay()
    meter = Meter("pulling a", display.show)
    for event in (Phase("loading"), Note("unused"), Phase("pulling a")):
        display.show(event)
    for percent in (1, 4, 5, 6, 9, 10, 99, 100):
        meter.reach(percent)
    display.end()
    expected = ["… loading", "note: unused", "… pulling a", *(f"… pulling a: {n} %" for n in (5, 10, 99, 100))]
    assert capsys.readouterr() == ("", "\n".join((*expected, "")))


def test_a_line_of_json_for_each_event(capsys):
    display = JsonDisplay()
    for event in (Phase("copying", 50, 1 << 20), Phase("loading"), Note("unused")):
        display.show(event)
    rows = [json.loads(line) for line in capsys.readouterr().err.splitlines()]
    assert all(row.pop("seconds") >= 0 for row in rows)
    assert rows == [
        {"event": "phase", "action": "copying", "percent": 50, "size": 1 << 20},
        {"event": "phase", "action": "loading"},
        {"event": "note", "text": "unused"},
    ]


def test_a_phase_moves_and_then_stays_with_its_time(terminal_of):
    screen, display = terminal_of(), LiveDisplay()
    display.show(Phase("loading"))
    eventually(lambda: "⠋ loading" in plain(screen.getvalue()), "the line of the phase moves", 30)
    display.show(Phase("verifying"))
    display.show(Note("look"))
    display.end()
    first, note, last = screen.kept()
    assert (first.split()[:2], note, last.split()[:2]) == (["✓", "loading"], "note: look", ["✓", "verifying"])
    assert first.endswith(" s")


def test_a_bar_grows_in_one_line(terminal_of):
    screen, display = terminal_of(), LiveDisplay()
    for percent in (0, 40, 100):
        display.show(Phase("pulling a", percent))
        eventually(lambda p=percent: f"pulling a: {p} %" in plain(screen.getvalue()), "the bar grows", 30)
    display.end()
    (kept,) = screen.kept()
    assert kept.startswith("✓ pulling a")
    assert "━" in screen.getvalue()


def test_a_phase_that_fails_is_marked(terminal_of):
    screen, display = terminal_of(), LiveDisplay()
    display.show(Phase("loading"))
    display.end(failed=True)
    assert screen.kept()[0].startswith("✗ loading")


@pytest.mark.parametrize("columns", [40, 80])
def test_no_line_is_wider_than_the_terminal(terminal_of, columns):
    screen, display = terminal_of(columns), LiveDisplay()
    display.show(Phase("x" * 200, 5))
    eventually(lambda: "━" in screen.getvalue(), "the bar is there", 30)
    display.end()
    assert max(map(len, plain(screen.getvalue()).replace("\r", "\n").splitlines())) <= columns


@pytest.mark.parametrize("variables", [{"NO_COLOR": "1"}, {"TERM": "dumb"}])
def test_nothing_moves_for_those_who_do_not_want_it(terminal_of, monkeypatch, variables):
    terminal_of()
    assert terminal.is_live()
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    assert not terminal.is_live()
