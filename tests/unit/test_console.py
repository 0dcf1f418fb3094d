"""The room that prints: every result is JSON without loss, data goes to stdout, all else to stderr."""

from __future__ import annotations

import dataclasses
import inspect
import io
import json
import os
import pkgutil
import shutil
import sys
from importlib import import_module
from pathlib import Path
from typing import Any

import pytest
from support.cli import started_anew
from support.world import MODELS

from deployer import console, results
from deployer.cli.options import Output
from deployer.errors import PortTaken, VerificationFailed
from deployer.results.changes import DownResult, TokenResult, UnlockResult, UpResult
from deployer.results.checks import Check, DoctorResult, Finding, Report
from deployer.results.deployment import Deployment, Endpoints, Rendered, ServedModel
from deployer.results.differences import DiffResult, Numbers, OutputDistance, SignatureChange, VersionFigures
from deployer.results.history import HistoryResult, Outcome, Release
from deployer.results.model import GoldenSummary, Model, SavedModelInfo, Signature, Source, TensorSpec
from deployer.results.plan import Change, CheckServing, Plan, StartCandidate
from deployer.results.running import DeploymentStatus, ModelState, SmokeResult
from deployer.results.traffic import PhaseFigures, TrafficFigures
from deployer.results.versions import ExportResult, InspectResult, PruneResult, VersionsResult

SIGNATURE = Signature("s", "predict", (TensorSpec("x", "float32", (None, 3)),), (TensorSpec("y", "string", None),))
MODEL = Model(
    name="m",
    version=2**63 - 1,
    path=Path("models/m/1"),
    digest="d",
    info=SavedModelInfo((SIGNATURE,), ("serve",), "2.21.0", None, None, 3 * 2**20),
    source=Source("keras", "m.keras", None),
    golden=GoldenSummary(3, "made", ("s/y",), ("t: no examples",)),
    created="2026-01-01T00:00:00Z",
)
SERVED = (ServedModel("m", (1, 2), (("stable", 1),), ("a", "b")), ServedModel("n", (7,)))
ENDPOINTS = Endpoints("http://127.0.0.1:8501", "127.0.0.1:8500")
DEPLOYMENT = Deployment(
    "m", "local", "embedded", "r", "serving", SERVED, ENDPOINTS, 8501, 8500, "d", "now", True, None, Path("run")
)
PROOF = Report((Check("status", "m:1", True, "AVAILABLE", 1.5), Check("parity REST", "m:1", False, "off", 2.0, 0.5)))
PLAN = Plan(Change.CREATE, "m [local]", (StartCandidate("nothing is deployed", ()),))
CHANGE = SignatureChange("s", "input x", breaking=True, detail="float32[?] is gone")
APART = OutputDistance("s", "y", None, None, 1, 2, "dtype string, not float32")
FIGURES = VersionFigures(1, 2**20, "2.21.0", None)
RELEASE = Release(
    7, "m", "local", "embedded", "create", SERVED, "me@here", "2026-01-01T00:00:00Z", 1.25, Outcome.FAILED, "why"
)
TRAFFIC = TrafficFigures(
    100.0,
    30,
    1,
    62.4,
    PhaseFigures(20, 0, 1.0, 2.0),
    PhaseFigures(9, 1, 1.5, 9.0),
    PhaseFigures(1, 0, None, None),
    "cut",
)
RESULTS = [
    PROOF.checks[1],
    PROOF,
    Finding("docker engine", "error", "it does not answer", "start it"),
    DoctorResult((Finding("disk", "ok", "enough"),)),
    ModelState("m", 1, "END", "no file"),
    ExportResult(MODEL, True),
    UpResult("m", "local", "embedded", SERVED, ENDPOINTS, PLAN, PROOF),
    UpResult("m", "local", "embedded", SERVED, None, PLAN, None),
    DownResult("m", "local", "embedded", PLAN),
    DeploymentStatus(DEPLOYMENT, (ModelState("m", 1, "AVAILABLE"),), True, ""),
    SmokeResult("m", "local", ENDPOINTS, PROOF),
    VersionsResult((MODEL, MODEL)),
    InspectResult(MODEL, ("curl -d '{}'",)),
    CHANGE,
    APART,
    FIGURES,
    Numbers(1, (APART,), (), 0.1, 0.2),
    DiffResult("m", FIGURES, FIGURES, True, (CHANGE,), (APART,), ("s: refused",)),
    RELEASE,
    HistoryResult((RELEASE,)),
    TRAFFIC.during,
    PruneResult((MODEL,), (MODEL,), True),
    TRAFFIC,
    UnlockResult("m", "local", "process 7 of me on here, since then", taken=False),
    TokenResult("alice", "secret", Path("tokens")),
]

CHECK = Check("status", "m:1", ok=True, detail="AVAILABLE", milliseconds=1.0)
PARITY = Check("parity REST", "m:1", ok=True, detail="", milliseconds=1.0, worst=0.5, answers=4)


def test_notices_are_on_stderr_and_in_the_json(capsys):
    result = UpResult("m", "local", "embedded", SERVED, ENDPOINTS, PLAN, PROOF, notices=("one", "two"))
    console.deployments.show_up(result)
    captured = capsys.readouterr()
    assert captured.err.splitlines() == ["note: one", "note: two"]
    assert "one" not in captured.out
    console.deployments.show_up(dataclasses.replace(result, endpoints=None, report=None))
    assert capsys.readouterr().err.splitlines() == ["note: one", "note: two"]
    assert console.objects.json_value(result)["notices"] == ["one", "two"]


def test_rows_of_versions_are_columns(capsys):
    sizes = (1, 10**6, 10**12)
    named = [
        dataclasses.replace(MODEL, name="m" * 3**number, info=dataclasses.replace(MODEL.info, size_bytes=size))
        for number, size in enumerate(sizes)
    ]
    console.versions.show_versions(VersionsResult(tuple(named)))
    rows = capsys.readouterr().out.splitlines()
    assert {row.index(" MiB") for row in rows} == {rows[-1].index(" MiB")}
    assert (
        len({row.index(MODEL.created) for row in rows}) == len({row.index(MODEL.source.location) for row in rows}) == 1
    )
    console.versions.show_prune(PruneResult((), tuple(named), done=True))
    *rows, _ = capsys.readouterr().out.splitlines()
    assert len({row.index("removed") for row in rows}) == 1
    console.versions.show_prune(PruneResult((MODEL,), (), done=True))
    assert len(capsys.readouterr().out.splitlines()) == 1


VALUES = ("deployment", "model", "plan")
"""Modules of what results are made of."""


def test_every_result_of_a_verb_is_among_the_samples():
    rooms = [
        import_module(f"deployer.results.{room.name}")
        for room in pkgutil.iter_modules(results.__path__)
        if room.name not in VALUES
    ]
    kinds = {
        kind
        for room in rooms
        for _, kind in inspect.getmembers(room, dataclasses.is_dataclass)
        if kind.__module__ == room.__name__
    }
    assert kinds == {type(result) for result in RESULTS}


def only_json(value: Any) -> bool:
    if isinstance(value, dict):
        return all(type(key) is str and only_json(item) for key, item in value.items())
    return all(map(only_json, value)) if type(value) is list else type(value) in (str, int, float, bool, type(None))


@pytest.mark.parametrize("result", RESULTS, ids=lambda result: type(result).__name__)
def test_a_result_is_one_object_with_all_of_its_fields(result, capsys):
    assert only_json(console.objects.json_value(result))
    console.objects.show_json(result)
    shown = capsys.readouterr()
    assert json.loads(shown.out) == console.objects.json_value(result)
    assert {field.name for field in dataclasses.fields(result)} <= set(json.loads(shown.out))
    assert shown.err == ""


def test_what_scripts_read_has_its_names(capsys):
    console.objects.show_json(RESULTS[6])
    shown = json.loads(capsys.readouterr().out)
    assert (shown["name"], shown["engine"], shown["plan"]["change"]) == ("m", "embedded", "create")
    assert shown["models"][0] == {
        "name": "m", "versions": [1, 2], "labels": [["stable", 1]], "digests": ["a", "b"],
    }  # fmt: skip
    assert shown["endpoints"] == {"rest": "http://127.0.0.1:8501", "grpc": "127.0.0.1:8500"}
    assert shown["report"]["ok"] is False
    assert [check["ok"] for check in shown["report"]["checks"]] == [True, False]


def test_proofs_and_examinations_tell_whether_they_are_fine():
    assert console.objects.json_value(Report(()))["ok"] is False
    assert console.objects.json_value(Report(PROOF.checks[:1]))["ok"] is True
    assert console.objects.json_value(DoctorResult((Finding("x", "warning", "y"),)))["ok"] is True
    assert console.objects.json_value(DoctorResult((Finding("x", "error", "y"),)))["ok"] is False


def test_rendered_files_are_an_object_by_name():
    assert console.objects.json_value(Rendered({"a.config": "text"})) == {"files": {"a.config": "text"}, "notices": []}


FAILURE = VerificationFailed("it answered wrong", hint="look at it", log=("first", "last"))


def test_an_error_goes_to_stderr_with_log_and_hint(capsys):
    console.lines.error(FAILURE)
    assert capsys.readouterr() == ("", "error: it answered wrong\n  | first\n  | last\nhint: look at it\n")
    console.lines.error(PortTaken("port 1 is taken"))
    assert capsys.readouterr() == ("", "error: port 1 is taken\n")


def test_an_error_as_json_is_one_object_on_stdout(capsys):
    console.objects.error_json(FAILURE)
    shown = capsys.readouterr()
    assert shown.err == ""
    assert json.loads(shown.out) == {
        "error": {"code": 8, "message": "it answered wrong", "hint": "look at it", "log": ["first", "last"]}
    }


def test_progress_and_bugs_leave_stdout_alone(capsys):
    console.lines.progress("exporting")
    console.lines.bug(Path("report.txt"))
    shown = capsys.readouterr()
    assert shown.out == ""
    assert "exporting" in shown.err
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


def test_a_proof_is_a_line_for_each_check(capsys):
    console.reports.show_report(PROOF)
    first, second = capsys.readouterr().out.splitlines()
    assert first.split() == ["ok", "m:1", "status", "1.5", "ms", "AVAILABLE"]
    assert second.split() == ["FAIL", "m:1", "parity", "REST", "2.0", "ms", "off"]


def test_a_deploy_shows_plan_proof_and_endpoint_and_a_dry_run_the_plan_alone(capsys):
    console.deployments.show_up(RESULTS[6])
    shown = capsys.readouterr()
    assert shown.out.startswith(f"{RESULTS[6].plan}\nverified m:1: 1 check\n  FAIL  m:1  parity REST ")
    assert (
        "REST  http://127.0.0.1:8501/v1/models/m\nREST  http://127.0.0.1:8501/v1/models/n\ngRPC  127.0.0.1:8500\n"
        in shown.out
    )
    assert shown.err == ""
    console.deployments.show_up(RESULTS[7])
    digest = RESULTS[7].plan.digest
    assert capsys.readouterr() == (f"{RESULTS[7].plan}\ndigest {digest}\n", "")


@pytest.mark.parametrize(("verbose", "first"), [(True, "  ok    m:1  status "), (False, "verified m:1: 1 check\n")])
def test_a_deploy_lists_every_check_when_it_is_verbose(capsys, verbose, first):
    Output(json=False, quiet=False, verbose=verbose).show_change(RESULTS[6])
    assert capsys.readouterr().out.startswith(f"{RESULTS[6].plan}\n{first}")


@pytest.mark.parametrize(
    ("checks", "line"),
    [
        ((CHECK,), "verified m:1: 1 check"),
        ((PARITY,), "verified m:1: 1 check, 4 answers over REST, max diff 0.5"),
        ((CHECK, PARITY, dataclasses.replace(PARITY, name="parity gRPC", worst=1.0, retried=2)),
         "verified m:1: 3 checks, 8 answers over REST and gRPC, max diff 1, 2 retried"),
    ],
)  # fmt: skip
def test_what_passed_is_one_line_for_each_model(capsys, checks, line):
    console.reports.show_report(Report(checks), verbose=False)
    assert capsys.readouterr().out == f"{line}\n"


def test_what_was_not_asked_is_listed_beside_the_line(capsys):
    partial = dataclasses.replace(PARITY, partial=True)
    console.reports.show_report(Report((CHECK, partial)), verbose=False)
    first, second = capsys.readouterr().out.splitlines()
    assert (first, second.split()[:4]) == ("verified m:1: 1 check", ["part", "m:1", "parity", "REST"])


@pytest.mark.parametrize(
    ("models", "served"),
    [
        ((ServedModel("m", (3,)),), "version 3"),
        ((ServedModel("m", (2, 3), (("canary", 3),)),), "m: 2, 3 (canary)"),
        ((ServedModel("m", (3,)), ServedModel("n", (1,))), "m:3; n:1"),
    ],
)
def test_what_changes_nothing_says_so(capsys, models, served):
    plan = Plan(Change.NOTHING, "m [local]", (CheckServing("nothing changes"),))
    console.deployments.show_up(UpResult("m", "local", "embedded", models, ENDPOINTS, plan, PROOF))
    assert capsys.readouterr().out.startswith(f"m is up to date: {served}\n")


def test_what_clients_noticed_is_shown_with_a_deploy_and_in_the_history(capsys):
    console.deployments.show_up(dataclasses.replace(RESULTS[6], traffic=TRAFFIC))
    shown = capsys.readouterr().out
    assert "1 of 30 requests failed, longest gap 62 ms, at 100 requests a second\n" in shown
    assert "  during      9 requests, 1 failed  p50 1.5 ms  p99 9.0 ms\n" in shown
    assert "  after       1 requests, 0 failed\n  the first failure: cut\n" in shown
    console.deployments.show_history(HistoryResult((dataclasses.replace(RELEASE, traffic=TRAFFIC),)))
    assert "7: 1 of 30 requests failed, longest gap 62 ms\n" in capsys.readouterr().err


def test_what_clients_noticed_and_the_notices_are_seen_with_quiet_too(capsys):
    console.deployments.show_up_quietly(dataclasses.replace(RESULTS[6], traffic=TRAFFIC, notices=("chosen",)))
    shown = capsys.readouterr()
    assert (
        shown.out
        == "REST  http://127.0.0.1:8501/v1/models/m\nREST  http://127.0.0.1:8501/v1/models/n\ngRPC  127.0.0.1:8500\n"
    )
    measured, failure, chosen = shown.err.splitlines()
    assert "1 of 30 requests failed, longest gap 62 ms" in measured
    assert "the first failure: cut" in failure
    assert "chosen" in chosen
    assert all(line.startswith("note: ") for line in (measured, failure, chosen))


def test_a_check_that_failed_and_a_change_that_breaks_are_lines(capsys):
    console.reports.show_smoke(SmokeResult("m", "local", ENDPOINTS, PROOF))
    assert [line.split()[:4] for line in capsys.readouterr().out.splitlines() if "FAIL" in line] == [
        ["FAIL", "m:1", "parity", "REST"]
    ]
    console.versions.show_diff(DiffResult("m", FIGURES, FIGURES, True, (CHANGE,), (APART,), ("s: refused",)))
    shown = capsys.readouterr().out.splitlines()
    assert [line.split()[0] for line in shown if CHANGE.detail in line] == ["breaking"]
    assert "  no answer: s: refused" in shown


def test_the_next_steps_go_with_an_endpoint(capsys):
    console.deployments.show_next_steps(RESULTS[6])
    assert "deployer down m" in capsys.readouterr().err
    console.deployments.show_next_steps(dataclasses.replace(RESULTS[6], env="staging"))
    assert "deployer down m --env staging" in capsys.readouterr().err
    console.deployments.show_next_steps(RESULTS[7])
    assert capsys.readouterr() == ("", "")


def test_each_of_several_models_has_its_line_and_one_is_named_to_ask(capsys):
    several = dataclasses.replace(RESULTS[6], name="shop")
    console.deployments.show_next_steps(several)
    assert "deployer predict shop --model m\n" in capsys.readouterr().err
    console.deployments.show_up_quietly(several)
    rest = [line.rpartition("/")[2] for line in capsys.readouterr().out.splitlines() if line.startswith("REST")]
    assert rest == ["m", "n"]


def test_the_history_is_a_table_and_why_a_release_failed_stands_apart(capsys):
    console.deployments.show_history(
        HistoryResult((RELEASE, dataclasses.replace(RELEASE, number=6, seconds=None, detail="")))
    )
    shown = capsys.readouterr()
    head, first, second = shown.out.splitlines()
    assert head.split() == ["RELEASE", "DEPLOYMENT", "ENGINE", "CHANGE", "MODELS", "OUTCOME", "SECONDS", "BEGAN", "BY"]
    assert first.startswith("7        m [local]")
    assert ("failed" in first, "1.2" in first, " - " in second) == (True, True, True)
    assert shown.err == "7: why\n"
    console.deployments.show_history(HistoryResult((), ("nothing was deployed yet",)))
    assert capsys.readouterr() == ("", "note: nothing was deployed yet\n")


@pytest.mark.parametrize(
    ("owner", "taken", "said"),
    [
        (None, False, "m [local] is not locked"),
        ("process 7 of me", False, "m [local] is being worked on by process 7 of me"),
        ("process 7 of me", True, "the lock on m [local] was taken from process 7 of me"),
    ],
)
def test_whose_lock_it_is_or_was(capsys, owner, taken, said):
    console.deployments.show_unlock(UnlockResult("m", "local", owner, taken))
    assert capsys.readouterr().out == f"{said}\n"


def test_status_is_a_table_and_says_what_is_wrong(capsys):
    dead = dataclasses.replace(DEPLOYMENT, name="longer-name", running=False)
    console.deployments.show_status([RESULTS[9], DeploymentStatus(dead, (), False, "its server is not running")])
    shown = capsys.readouterr()
    head, first, second = shown.out.splitlines()
    assert head.split() == ["PROJECT", "NAME", "ENV", "ENGINE", "MODELS", "STATE", "REST", "GRPC"]
    assert first.index("local") == second.index("local") == head.index("ENV")
    assert "m: 1 (stable), 2; n:7" in first
    assert "serving" in first
    assert "not running" in second
    assert shown.err == "longer-name [local]: its server is not running\n"
    console.deployments.show_status([dataclasses.replace(RESULTS[9], warning="m:1 is gone")])
    assert capsys.readouterr().err == f"{DEPLOYMENT.name} [{DEPLOYMENT.env}]: m:1 is gone\n"
    console.deployments.show_status([])
    assert capsys.readouterr() == ("", "")


def test_a_model_is_shown_with_what_is_not_proven(capsys):
    console.versions.show_inspect(dataclasses.replace(RESULTS[12], served=True))
    shown = capsys.readouterr().out
    for line in ("  s  (predict)", "    in  x: float32[?,3]", "    out y: string of any shape",
                 "  golden set: 3 cases, made", "    random by nature, values not compared: s/y",
                 "    not verified: t: no examples", "  curl -d '{}'"):  # fmt: skip
        assert line in shown.splitlines()
    console.versions.show_inspect(dataclasses.replace(RESULTS[12], stored=False))
    head, *_, line = capsys.readouterr().out.splitlines()
    assert (head, line) == (str(MODEL.path), "    curl -d '{}'")
    console.versions.show_versions(RESULTS[11])
    assert capsys.readouterr().out.splitlines()[0].split() == [
        f"m:{2**63 - 1}", "3.00", "MiB", "2026-01-01T00:00:00Z", "keras", "m.keras",
    ]  # fmt: skip


def test_json_is_json_on_a_terminal_without_umlauts(monkeypatch):
    written = io.BytesIO()
    monkeypatch.setattr("sys.stdout", io.TextIOWrapper(written, encoding="ascii"))
    console.objects.show_json({"name": "m\u00fc\udcff"})
    assert json.loads(written.getvalue()) == {"name": "m\u00fc\udcff"}


def test_a_file_name_that_the_terminal_cannot_show_is_shown_escaped(tmp_path):
    store = tmp_path / os.fsdecode(b"m\xc3\xbc\xff")
    shutil.copytree(MODELS / "half_plus_two" / "1", store / "m" / "1")
    ended = started_anew("versions", "--models-dir", store.name, cwd=tmp_path, PYTHONIOENCODING="ascii")
    assert (ended.code, "m\\xfc\\udcff" in ended.out) == (0, True), ended.err
