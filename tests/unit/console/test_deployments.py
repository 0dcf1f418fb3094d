"""Deployments, changes, history and locks are tables and lines."""

from __future__ import annotations

import dataclasses
import re

import pytest
from support.results import (
    DEPLOYMENT,
    DRY_RUN,
    ENDPOINTS,
    PLAN,
    PROOF,
    RELEASE,
    SERVED,
    STATUS,
    TRAFFIC,
    UP,
)

from deployer import console
from deployer.cli.options import Output
from deployer.results.changes import UnlockResult, UpResult
from deployer.results.history import HistoryResult
from deployer.results.plan import Change, Plan
from deployer.results.running import DeploymentStatus
from deployer.results.served import ServedModel
from deployer.results.steps import CheckServing


def test_notices_are_on_stderr_and_in_the_json(capsys):
    result = UpResult("m", "local", "embedded", SERVED, ENDPOINTS, PLAN, PROOF, notices=("one", "two"))
    console.deployments.show_up(result, 1)
    captured = capsys.readouterr()
    assert captured.err.splitlines() == ["note: one", "note: two"]
    assert "one" not in captured.out
    console.deployments.show_up(dataclasses.replace(result, endpoints=None, report=None), 1)
    assert capsys.readouterr().err.splitlines() == ["note: one", "note: two"]
    assert console.objects.json_value(result)["notices"] == ["one", "two"]


def test_a_deploy_shows_plan_proof_and_endpoint_and_a_dry_run_the_plan_alone(capsys):
    console.deployments.show_up(UP, 4.25)
    shown = capsys.readouterr()
    assert shown.out.startswith(f"{UP.plan}\navailable m:1: 1 check\n  FAIL  m:1  parity REST ")
    assert (
        "REST  http://127.0.0.1:8501/v1/models/m\nREST  http://127.0.0.1:8501/v1/models/n\ngRPC  127.0.0.1:8500\n"
        in shown.out
    )
    assert shown.err == ""
    console.deployments.show_up(DRY_RUN, 1)
    digest = DRY_RUN.plan.digest
    assert capsys.readouterr() == (f"{DRY_RUN.plan}\ndigest {digest}\n", "")


@pytest.mark.parametrize(("verbose", "first"), [(True, "  ok    m:1  status "), (False, "available m:1: 1 check\n")])
def test_a_deploy_lists_every_check_when_it_is_verbose(capsys, verbose, first):
    Output(json=False, quiet=False, verbose=verbose).show_change(UP)
    assert capsys.readouterr().out.startswith(f"{UP.plan}\n{first}")


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
    console.deployments.show_up(UpResult("m", "local", "embedded", models, ENDPOINTS, plan, PROOF), 1)
    assert capsys.readouterr().out.startswith(f"m is up to date: {served}\n")


def test_what_clients_noticed_is_shown_with_a_deploy_and_in_the_history(capsys):
    console.deployments.show_up(dataclasses.replace(UP, traffic=TRAFFIC, served_before=(ServedModel("m", (1,)),)), 1)
    shown = capsys.readouterr().out
    assert "1 of 30 requests failed, longest gap 62 ms, at 100 requests a second\n" in shown
    assert "  during      9 requests, 1 failed  p50 1.5 ms  p99 9.0 ms\n" in shown
    assert "  after       1 requests, 0 failed\n  the first failure: cut\n" in shown
    console.deployments.show_history(HistoryResult((dataclasses.replace(RELEASE, traffic=TRAFFIC),)))
    assert "7: 1 of 30 requests failed, longest gap 62 ms\n" in capsys.readouterr().err


def test_what_clients_noticed_and_the_notices_are_seen_with_quiet_too(capsys):
    console.deployments.show_up_quietly(dataclasses.replace(UP, traffic=TRAFFIC, notices=("chosen",)))
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


def test_the_next_steps_go_with_an_endpoint(capsys):
    assert "deployer down m" in console.deployments.next_steps(UP)
    assert "deployer down m --env staging" in console.deployments.next_steps(dataclasses.replace(UP, env="staging"))
    assert console.deployments.next_steps(DRY_RUN) == ""
    console.deployments.show_up(UP, 1, next_steps="ask it: so")
    assert capsys.readouterr().err == "\nask it: so\n"


def test_what_serves_comes_last_with_what_served_and_what_failed(capsys):
    console.deployments.show_up(UP, 4.25)
    assert capsys.readouterr().out.splitlines()[-4:-3] == ["serving m: 1 (stable), 2; n:7 on embedded after 4.2 s"]
    before = dataclasses.replace(UP, traffic=TRAFFIC, served_before=(ServedModel("m", (1,)),))
    console.deployments.show_up(before, 4.25)
    assert (
        capsys.readouterr().out.splitlines()[-4]
        == "serving m: 1 (stable), 2; n:7 on embedded after 4.2 s; before: m:1; 1 of 30 requests failed"
    )


def test_each_of_several_models_has_its_line_and_one_is_named_to_ask(capsys):
    several = dataclasses.replace(UP, name="shop")
    assert "deployer predict shop --model m\n" in console.deployments.next_steps(several)
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
    assert re.search(r"\d+ (month|year)s? ago  me@here$", first)
    assert ("failed" in first, "1.2" in first, " - " in second) == (True, True, True)
    assert shown.err == "7: why\n"
    console.deployments.show_history(HistoryResult((RELEASE, dataclasses.replace(RELEASE, env="staging"))))
    assert capsys.readouterr().err == "7 of m [local]: why\n7 of m [staging]: why\n"
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


def test_addresses_stand_below_a_table_that_a_terminal_cannot_show_with_them(capsys, monkeypatch):
    named = dataclasses.replace(DEPLOYMENT, name="m" * 60, created="2026-01-01T00:00:00Z")
    console.deployments.show_status([dataclasses.replace(STATUS, deployment=named)])
    assert len(capsys.readouterr().out.splitlines()) == 2
    monkeypatch.setattr("sys.stdout.isatty", lambda: True)
    monkeypatch.setenv("COLUMNS", "80")
    console.deployments.show_status([dataclasses.replace(STATUS, deployment=named)])
    head, row, addresses = capsys.readouterr().out.splitlines()
    assert "REST" not in head
    assert max(len(head), len(row)) == 80
    assert addresses.endswith(f"{DEPLOYMENT.endpoints.rest}  {DEPLOYMENT.endpoints.grpc}")


def test_status_is_a_table_and_says_what_is_wrong(capsys):
    dead = dataclasses.replace(DEPLOYMENT, name="longer-name", running=False)
    console.deployments.show_status([STATUS, DeploymentStatus(dead, (), False, "its server is not running")])
    shown = capsys.readouterr()
    head, first, second = shown.out.splitlines()
    assert head.split() == ["PROJECT", "NAME", "ENV", "ENGINE", "MODELS", "STATE", "CREATED", "REST", "GRPC"]
    assert first.index("local") == second.index("local") == head.index("ENV")
    assert "m: 1 (stable), 2; n:7" in first
    assert "serving" in first
    assert "not running" in second
    assert shown.err == "longer-name [local]: its server is not running\n"
    projects = [dataclasses.replace(DEPLOYMENT, project=name) for name in ("a", "b", "")]
    console.deployments.show_status([DeploymentStatus(each, (), False, "it is slow") for each in projects])
    lines = capsys.readouterr().err.splitlines()
    assert [line.partition("]")[2] for line in lines] == [
        " of project a: it is slow", " of project b: it is slow", " of no project: it is slow",
    ]  # fmt: skip
    console.deployments.show_status([dataclasses.replace(STATUS, warning="m:1 is gone")])
    assert capsys.readouterr().err == f"{DEPLOYMENT.name} [{DEPLOYMENT.env}]: m:1 is gone\n"
    console.deployments.show_status([])
    assert capsys.readouterr() == ("", "")
