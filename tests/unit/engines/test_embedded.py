"""What the embedded engine makes of its run directories, without a server."""

from __future__ import annotations

import dataclasses
import subprocess
import sys
from collections.abc import Iterable, Iterator
from datetime import datetime, timezone
from pathlib import Path

import pytest
from support.world import eventually

from deployer.engines import process, run_dir
from deployer.engines.embedded.engine import EmbeddedEngine
from deployer.engines.run_dir import LOG_FILE, Release
from deployer.errors import EngineError
from deployer.results.deployment import Deployment
from deployer.results.logs import LogLine

LABELS = Release("m", "local", "r", "serving", "", "127.0.0.1", 1, 2, 3, 4, "d", ())
WRITE = """
import sys
for text in ("first li", "ne\\n", "second\\n", "last words"):
    sys.stdin.readline()
    print(text, end="", flush=True)
"""


@pytest.fixture
def engine(tmp_path: Path) -> EmbeddedEngine:
    return EmbeddedEngine(tmp_path)


def put(engine: EmbeddedEngine, release: str, name: str = "m", env: str = "local", **labels: object) -> Path:
    directory = engine.traits.state_dir / "run" / run_dir.env_dir_name(engine.traits.project, env) / name / release
    directory.mkdir(parents=True)
    run_dir.write_labels(directory, dataclasses.replace(LABELS, name=name, env=env, release=release, **labels))
    return directory


def test_the_newest_that_served_is_observed_when_none_runs(engine):
    for release in ("1", "3", "2"):
        put(engine, release, pid=0)
    put(engine, "4", role="candidate", pid=0)
    seen = engine.observe("m", "local")
    assert seen is not None
    assert (seen.release, seen.running) == ("3", False)


def test_the_one_that_runs_is_observed_also_when_a_newer_one_does_not(engine, talker):
    put(engine, "9", pid=0)
    seen = engine.observe("m", "local")
    assert seen is not None
    assert (seen.release, seen.running, seen.pid) == ("1", True, talker.child.pid)


def test_only_directories_are_deployments(engine):
    put(engine, "1", "b", "staging", pid=0)
    put(engine, "1", "a", pid=0)
    for stray in ("run/local@default/.DS_Store", "run/notes", "notes"):
        (engine.traits.state_dir / stray).touch()
    assert engine.inventory.names() == (("a", "local"), ("b", "staging"))
    assert [found.name for found in engine.inventory.observe_all()] == ["a", "b"]


def test_what_has_lost_its_labels_is_litter_and_is_swept(engine):
    put(engine, "1", pid=0)
    spoiled = put(engine, "2", pid=0)
    (spoiled / run_dir.RELEASE_FILE).write_text("{")
    engine.recover("m", "local")
    assert [directory.name for directory in run_dir.release_dirs(spoiled.parent)] == ["1"]


def test_labels_lost_under_our_hands_are_an_engine_error(engine):
    directory = put(engine, "1", pid=0)
    seen = engine.observe("m", "local")
    assert seen is not None
    (directory / run_dir.RELEASE_FILE).unlink()
    with pytest.raises(EngineError, match=r"lost its release\.json"):
        engine.mark_serving(seen, ())


@dataclasses.dataclass
class Talker:
    """A process that passes for the server of release 1 and writes to its log a piece at a time."""

    deployment: Deployment
    child: subprocess.Popen

    def say(self, pieces: int = 1) -> None:
        self.child.stdin.write("\n" * pieces)
        self.child.stdin.flush()


@pytest.fixture
def talker(engine: EmbeddedEngine) -> Iterator[Talker]:
    directory = put(engine, "1")
    with (directory / LOG_FILE).open("wb") as log:
        command = [sys.executable, "-S", "-c", WRITE, process.run_dir_argument(directory)]
        child = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=log, text=True)
    run_dir.write_labels(directory, dataclasses.replace(LABELS, release="1", pid=child.pid))
    eventually(lambda: process.find(directory, child.pid) is not None, "it runs", 60)
    seen = engine.observe("m", "local")
    assert seen is not None
    yield Talker(seen, child)
    child.kill()
    child.communicate(timeout=60)


def texts(lines: Iterable[LogLine]) -> list[str]:
    return [line.text for line in lines]


def test_logs_come_in_whole_lines_to_the_very_last(engine, talker):
    lines = engine.logs(talker.deployment, follow=True)
    log = talker.deployment.directory / LOG_FILE
    talker.say()
    eventually(lambda: log.read_text() == "first li", "half a line is there", 60)
    talker.say()
    assert next(lines).text == "first line"
    talker.say(2)
    assert texts(lines) == ["second", "last words"]


def test_half_a_line_is_shown_to_those_who_do_not_follow(engine, talker):
    talker.say()
    eventually(lambda: texts(engine.logs(talker.deployment)) == ["first li"], "half a line is there", 60)


@pytest.mark.parametrize(("tail", "shown"), [(None, 5), (0, 0), (2, 2), (5, 5), (99, 5)])
def test_the_tail_is_the_last_lines(engine, tail, shown):
    directory = put(engine, "1", pid=0)
    (directory / LOG_FILE).write_bytes(b"1\n2\n3\n4\n\xff")
    seen = engine.observe("m", "local")
    assert seen is not None
    assert texts(engine.logs(seen, tail)) == ["1", "2", "3", "4", "\ufffd"][5 - shown :]
    assert list(engine.logs(seen, tail, follow=True)) == list(engine.logs(seen, tail))


def test_a_line_without_a_time_is_as_old_as_the_one_before(engine):
    directory = put(engine, "1", pid=0)
    stamps = [datetime(2026, 11, 30, 12, minute).astimezone() for minute in (0, 1)]
    written = ["early", *(f"{stamp:%Y-%m-%d %H:%M:%S}.25{n}: I a] b" for n, stamp in enumerate(stamps)), "  goes on"]
    (directory / LOG_FILE).write_text("\n".join([*written, "2026-99-99 12:00:00.000: no time"]))
    seen = engine.observe("m", "local")
    assert seen is not None
    lines = list(engine.logs(seen))
    times = [f"{stamp.astimezone(timezone.utc):%Y-%m-%dT%H:%M:%S}.25{n}000Z" for n, stamp in enumerate(stamps)]
    assert [line.time for line in lines] == [None, *times, None, None]
    assert list(engine.logs(seen, since=stamps[0].timestamp())) == lines
    assert list(engine.logs(seen, since=stamps[1].timestamp())) == lines[2:]
    assert list(engine.logs(seen, 2, since=stamps[1].timestamp(), follow=True)) == []
    assert list(engine.logs(seen, since=stamps[1].timestamp() + 60)) == []


def test_a_server_without_a_log_has_no_lines(engine):
    put(engine, "1", pid=0)
    seen = engine.observe("m", "local")
    assert seen is not None
    assert list(engine.logs(seen)) == list(engine.logs(seen, 3, follow=True)) == []
