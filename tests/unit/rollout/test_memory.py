"""Memory for two, from measured sizes."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import pytest
from support.memory.project import Project

from deployer.results.deployment import Deployment, Endpoints, Memory
from deployer.results.model import GoldenSummary, Model, SavedModelInfo, Source
from deployer.results.plan import Change
from deployer.results.served import ServedModel
from deployer.rollout import memory as memory_checks

MIB = 2**20
SERVING = Deployment(
    "m", "local", "embedded", "r1", "serving", (ServedModel("m", (1,)),), Endpoints("", ""), 8501, 8500,
    "", "2026", True, 1, Path(),
)  # fmt: skip


def model(version: int, size: int) -> Model:
    info = SavedModelInfo((), ("serve",), "2.21.0", None, None, size * MIB)
    return Model("m", version, Path(), "", info, Source("keras", "x", None), GoldenSummary(1, "made"), "2026")


def lack(change: Change = Change.RELOAD, *, apart: bool = True, **memory: int) -> str:
    measured = Memory(**{name: size * MIB for name, size in memory.items()})
    return memory_checks.insufficient_memory(
        measured, change, SERVING, (model(1, 500), model(2, 100)), with_candidate=apart
    )


@pytest.mark.parametrize("change", [Change.RELOAD, Change.REPLACE])
def test_a_candidate_needs_what_serves_uses_and_what_is_new(change):
    assert lack(change, used=300, free=400) == ""
    assert lack(change, used=300, free=399) == (
        "a candidate needs about 400 MiB in addition to the server, which uses 300 MiB; 399 MiB are free"
    )


def test_without_a_candidate_only_the_servers_own_limit_counts():
    assert lack(used=300, free=1, apart=False) == ""
    assert lack(used=300, limit=400) == ""
    assert "uses 300 MiB of the 399 MiB that it may use, and needs about 100 MiB more" in lack(used=300, limit=399)
    assert lack(Change.REPLACE, used=300, limit=1) == ""


def test_what_is_not_known_stands_in_nobodys_way():
    assert lack(used=300) == ""


def test_versions_that_are_loaded_need_nothing_more():
    both = dataclasses.replace(SERVING, models=(ServedModel("m", (1, 2)),))
    memory = Memory(300 * MIB, limit=300 * MIB)
    assert memory_checks.insufficient_memory(memory, Change.RELOAD, both, (model(2, 100),), with_candidate=False) == ""


def test_a_server_that_fills_its_limit_even_with_what_can_be_taken_back_wants_memory():
    assert memory_checks.exhaustion(Memory(30 * MIB, limit=40 * MIB, cached=8 * MIB)) == (
        "it uses all of the 40 MiB that it may use, and is probably slow for that reason"
    )


@pytest.mark.parametrize("memory", [Memory(30 * MIB, limit=40 * MIB, cached=7 * MIB), Memory(30 * MIB)])
def test_one_that_has_room_left_or_no_limit_does_not(memory):
    assert memory_checks.exhaustion(memory) == ""


@pytest.mark.parametrize(("free", "fits"), [(500, True), (499, False)])
def test_a_candidate_may_linger_where_the_server_can_load_what_is_new_beside_it(free, fits):
    measured = Memory(used=300 * MIB, free=free * MIB)
    assert memory_checks.fits_three(measured, SERVING, (model(1, 500), model(2, 100))) is fits


def test_where_nobody_knows_what_is_free_a_candidate_goes_first():
    assert not memory_checks.fits_three(Memory(used=1), SERVING, (model(2, 100),))


@pytest.mark.parametrize("dry_run", [True, False])
def test_a_change_measures_the_serving_server_once(serving: Project, monkeypatch: pytest.MonkeyPatch, dry_run: bool):
    """Docker takes up to a second for each measurement."""
    measured: list[Deployment] = []
    measure = type(serving.engine).memory

    def counted(engine: object, deployment: Deployment) -> Memory | None:
        measured.append(deployment)
        return measure(engine, deployment)

    monkeypatch.setattr(type(serving.engine), "memory", counted)
    serving.redeploy(2, dry_run=dry_run)
    assert len(measured) == 1
