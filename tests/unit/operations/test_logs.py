"""`logs` chooses lines by time and expression, and no line controls the terminal. The server here has ended."""

from __future__ import annotations

import json
from datetime import datetime, timedelta, timezone
from pathlib import Path

import pytest
from support import schemas
from support.cli import in_process
from support.world import only_servers_below

from deployer import console
from deployer.engines import run_dir
from deployer.engines.run_dir import LOG_FILE, Release
from deployer.results.logs import LogLine
from deployer.results.served import ServedModel

LABELS = Release("m", "local", "1", "serving", "", "127.0.0.1", 1, 2, 3, 4, "d", (ServedModel("m", (1,)),), 0, "shop")
NOW = datetime.now(timezone.utc).astimezone()
OLD, NEW = (f"{NOW - age:%Y-%m-%d %H:%M:%S}.000: I a] " for age in (timedelta(hours=30), timedelta(minutes=1)))
LINES = [f"{OLD}old", f"{OLD}ERROR old", f"{NEW}new", "ERROR \033[31mnew"]


@pytest.fixture
def directory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    only_servers_below(monkeypatch, tmp_path)
    made = tmp_path / "shop"
    release = made / ".deployer/run" / run_dir.env_dir_name("shop", "local") / "m" / "1"
    run_dir.write_labels(release, LABELS)
    (release / LOG_FILE).write_text("\n".join(LINES))
    return made


@pytest.mark.parametrize(
    ("arguments", "shown"),
    [
        ((), [0, 1, 2, 3]),
        (("--since", "12h"), [2, 3]),
        (("--since", "9d"), [0, 1, 2, 3]),
        (("--since", f"{NOW - timedelta(hours=12):%Y-%m-%dT%H:%M}"), [2, 3]),
        (("--since", "0s"), []),
        (("--grep", "ERROR"), [1, 3]),
        (("--grep", "^ERROR"), [3]),
        (("--grep", r"a\] (?:new|old)$"), [0, 2]),
        (("--grep", ""), [0, 1, 2, 3]),
        (("--since", "12h", "--grep", "ERROR"), [3]),
        (("--tail", "3", "--grep", "old"), [1]),
        (("--follow", "--grep", "ERROR"), [1, 3]),
    ],
)
def test_lines_are_chosen_by_time_and_expression(directory, arguments, shown):
    ended = in_process("logs", *arguments, cwd=directory)
    assert (ended.code, ended.out.splitlines()) == (0, [LINES[number] for number in shown])
    if "--follow" not in arguments:
        assert in_process("logs", *arguments, "--json", cwd=directory).json["lines"] == ended.out.splitlines()


def test_a_followed_log_is_json_lines_with_the_times(directory):
    ended = in_process("logs", "-f", "--json", cwd=directory)
    documents = [json.loads(line) for line in ended.out.splitlines()]
    assert [document["text"] for document in documents] == LINES
    assert [document["time"] is None for document in documents] == [False, False, False, True]
    for document in documents:
        schemas.check("logs", document)


@pytest.mark.parametrize(
    "arguments",
    [
        ("--grep", "("),
        ("--grep", "a{99999999999}"),
        ("--grep", "(" * 5000),
        ("--since", "yesterday"),
        ("--since", "99999999d"),
        ("--since", ""),
    ],
    ids=lambda arguments: " ".join(arguments)[:20],
)
def test_a_wrong_expression_or_time_is_a_usage_error(directory, arguments):
    for options in ((), ("-f",)):
        ended = in_process("logs", *arguments, *options, "--json", cwd=directory)
        assert (ended.code, ended.json["error"]["code"]) == (2, 2)
        assert arguments[0] in ended.json["error"]["hint"]


def test_on_a_terminal_no_line_controls_it(capsys, monkeypatch):
    line = LogLine("\033[2J\r\x9b1m\u202e\ttab \u00e9")
    console.lines.show_log_line(line)
    assert capsys.readouterr().out == f"{line.text}\n"
    monkeypatch.setattr("sys.stdout.isatty", lambda: True)
    console.lines.show_log_line(line)
    assert capsys.readouterr().out == "\\x1b[2J\\x0d\\x9b1m\\u202e\ttab \u00e9\n"
