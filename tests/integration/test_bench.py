"""`bench` on the embedded engine: what it measures, what it says about failures, and how it ends."""

from __future__ import annotations

import json
import signal
import subprocess
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest
from support import schemas
from support.cli import ANY_PORTS, command, deployer, environment
from support.stores import copy_store
from support.world import eventually, servers

SHORT = ("--duration", "0.5", "--warmup", "0.2")


@pytest.fixture
def served(project: Path) -> Path:
    ended = deployer("up", "half_plus_two:1", *ANY_PORTS, "-q", cwd=project)
    assert ended.code == 0, ended.err
    return project


def test_both_apis_are_measured_and_reported_and_compared(served_once: Path) -> None:
    load = ("--rate", "40", "--clients", "2", *SHORT)
    first = deployer("bench", "half_plus_two", *load, "--json", cwd=served_once)
    assert first.code == 0, first.err
    schemas.check("bench", first.json)
    (served_once / "before.json").write_text(first.out)
    names = ["REST at 40/s", "REST with 2 clients", "gRPC at 40/s", "gRPC with 2 clients"]
    assert [stage["name"] for stage in first.json["stages"]] == names
    for stage in first.json["stages"]:
        assert stage["failed"] == stage["wrong"] == 0
        assert stage["checked"] > 0
        assert 0 < stage["latency"]["p50_ms"] <= stage["latency"]["p99_ms"] <= stage["latency"]["max_ms"]
        assert sum(bucket["requests"] for bucket in stage["histogram"]) == stage["requests"]
    options = ("--against", "before.json", "--report", "out.html")
    second = deployer("bench", "half_plus_two", *load, *options, "--json", cwd=served_once)
    assert second.code == 0, second.err
    schemas.check("bench", second.json)
    assert [change["stage"] for change in second.json["changes"]] == names
    assert "before.json" in (served_once / "out.html").read_text()


def test_requests_of_a_file_are_sent_over_both_apis(served_once: Path) -> None:
    (served_once / "requests.jsonl").write_text('{"instances": [1.0, 2.0]}\n{"inputs": {"x": [3.0]}}\n')
    ended = deployer("bench", "half_plus_two", *SHORT, "--requests", "requests.jsonl", "--json", cwd=served_once)
    assert ended.code == 0, ended.err
    assert (ended.json["questions"], ended.json["questions_from"]) == (2, "requests.jsonl")
    assert [stage["failed"] for stage in ended.json["stages"]] == [0, 0]


def test_requests_that_the_server_refuses_are_an_error_before_any_load(served_once: Path) -> None:
    (served_once / "request.json").write_text('{"instances": [["text"]]}')
    ended = deployer("bench", "half_plus_two", *SHORT, "--requests", "request.json", "--api", "rest", cwd=served_once)
    assert ended.code == 1
    assert "answered 400" in ended.err
    assert "deployer inspect" in ended.err


def test_failed_requests_are_counted_and_end_with_1(served_once: Path) -> None:
    (served_once / "requests.jsonl").write_text('{"instances": [1.0]}\n{"instances": [["text"]]}\n')
    ended = deployer(
        "bench", "half_plus_two", *SHORT, "--requests", "requests.jsonl", "--api", "rest", "--json", cwd=served_once
    )
    assert ended.code == 1
    (stage,) = ended.json["stages"]
    assert [failure["kind"] for failure in stage["failures"]] == ["HTTP 400"]
    assert stage["failed"] == stage["requests"] // 2


def test_a_server_that_is_stopped_is_an_error_with_the_way_out(served: Path) -> None:
    for process in servers(served):
        process.kill()
    eventually(lambda: not servers(served), "the server's end")
    ended = deployer("bench", "half_plus_two", *SHORT, cwd=served)
    assert ended.code == 7
    assert "is not running" in ended.err
    assert "hint:" in ended.err


def test_a_server_that_dies_under_load_is_counted(served: Path) -> None:
    child = subprocess.Popen(
        command("bench", "half_plus_two", "--duration", "4", "--warmup", "0", "--api", "rest", "--json"),
        cwd=served, env=environment(), stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
    )  # fmt: skip
    assert child.stderr is not None
    assert any("measuring" in line for line in child.stderr)
    for process in servers(served):
        process.kill()
    out, _ = child.communicate(timeout=60)
    assert child.returncode == 1
    (stage,) = json.loads(out)["stages"]
    assert {failure["kind"] for failure in stage["failures"]} <= {"refused", "connection lost"}
    assert stage["failed"] > 0


@pytest.mark.parametrize(
    ("arguments", "code", "said"),
    [
        (("nothing",), 10, "nothing is deployed as nothing"),
        (("half_plus_two", "--rate", "0"), 2, "--rate 0"),
        (("half_plus_two", "--rate", "-5"), 2, "--rate -5"),
        (("half_plus_two", "--rate", "1e9"), 2, "--rate 1e+09"),
        (("half_plus_two", "--rate", "nan"), 2, "--rate nan"),
        (("half_plus_two", "--rate", "fast"), 2, "--rate takes a number"),
        (("half_plus_two", "--duration", "0"), 2, "--duration 0"),
        (("half_plus_two", "--clients", "0"), 2, "--clients 0"),
        (("half_plus_two", "--api", "soap"), 2, "--api soap"),
        (("half_plus_two", "--version", "9"), 2, "version 9 of half_plus_two is not served"),
        (("half_plus_two", "--label", "none"), 2, "has no label none"),
        (("half_plus_two", "--requests", "missing.json"), 2, "missing.json cannot be read"),
        (("half_plus_two", "--against", "missing.json"), 2, "missing.json cannot be read"),
        (("half_plus_two", "--report", "missing/out.html"), 2, "does not exist"),
        (("half_plus_two", "--report", "."), 2, "is a directory"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, tuple) else "",
)
def test_what_cannot_be_measured_is_refused(
    served_once: Path, arguments: tuple[str, ...], code: int, said: str
) -> None:
    ended = deployer("bench", *arguments, cwd=served_once)
    assert ended.code == code
    assert said in ended.err


@pytest.fixture(scope="module")
def served_once(store: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    project = copy_store(store, tmp_path_factory.mktemp("refused"))
    assert deployer("up", "half_plus_two:1", *ANY_PORTS, "-q", cwd=project).code == 0
    yield project
    deployer("down", "--all", "-q", cwd=project)


def test_ctrl_c_prints_what_was_measured_so_far(served_once: Path) -> None:
    load = ("--duration", "60", "--warmup", "0", "--rate", "50", "--report", "out.html", "--json")
    child = subprocess.Popen(
        command("bench", "half_plus_two", *load),
        cwd=served_once, env=environment(), stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
    )  # fmt: skip
    assert child.stderr is not None
    assert any("5 %" in line for line in child.stderr)
    workers = psutil.Process(child.pid).children()
    child.send_signal(signal.SIGINT)
    out, _ = child.communicate(timeout=30)
    assert child.returncode == 130
    printed = json.loads(out)
    schemas.check("bench", printed)
    (stage,) = printed["stages"]
    assert printed["interrupted"] is True
    assert 0 < stage["requests"] < 3000
    assert stage["failed"] == 0
    assert "Interrupted" in (served_once / "out.html").read_text()
    assert workers
    assert not any(worker.is_running() for worker in workers)
