"""Colours are for those who want them, and prose fits the terminal."""

from __future__ import annotations

import io

import pytest

from deployer.console import terminal

LINE = "  start a candidate with tiny:1 from image deployer/server  (nothing is deployed under this name)"


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


@pytest.mark.parametrize(
    ("variables", "colored"),
    [({"FORCE_COLOR": "1"}, True), ({"FORCE_COLOR": "1", "NO_COLOR": "1"}, False), ({}, False)],
)
def test_colours_can_be_forced_and_forbidden_where_no_terminal_is(monkeypatch, variables, colored):
    for name in ("NO_COLOR", "FORCE_COLOR"):
        monkeypatch.delenv(name, raising=False)
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    assert ("\033[" in terminal.colored("text", terminal.BOLD)) is colored


@pytest.mark.parametrize("columns", [40, 80])
def test_long_lines_are_wrapped_between_words_and_indented(monkeypatch, columns):
    monkeypatch.setenv("COLUMNS", str(columns))
    first, *rest = terminal.wrap(LINE, Terminal()).split("\n")
    assert max(len(line) for line in (first, *rest)) <= columns
    assert first.startswith("  start")
    assert all(line.startswith("      ") for line in rest)
    assert " ".join((first, *rest)).split() == LINE.split()


def test_what_is_piped_stays_as_it_is(monkeypatch):
    monkeypatch.setenv("COLUMNS", "40")
    assert terminal.wrap(LINE, io.StringIO()) == LINE
