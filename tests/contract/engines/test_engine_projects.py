"""Two projects with the same names on one platform: neither sees, changes nor removes what the other has."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import pytest
from contract.engines.fixture import ANSWERS, ENV, NAME, EngineFixture, answer, served
from contract.engines.rows import ROWS, Row, each_of
from support.containers import docker
from support.traffic import traffic

from deployer.engines.docker.ownership import Ownership

pytestmark = each_of(ROWS)
REQUESTS = 200


@contextmanager
def _project(row: Row, state_dir: Path, project: str, name: str = NAME) -> Iterator[EngineFixture]:
    made = EngineFixture(row, state_dir, project, name)
    made.engine.images.pull(print)
    try:
        yield made
    finally:
        remove_all(made)


def remove_all(fixture: EngineFixture) -> None:
    """As `down --all` does; of what has no project, which others may have too, the test's own alone."""
    for key in fixture.engine.inventory.names() if fixture.project else [(fixture.name, ENV)]:
        with fixture.engine.locks.acquire(*key, 30.0):
            fixture.engine.recover(*key)
            fixture.engine.remove(*key)


@pytest.fixture
def pair(row: Row, tmp_path: Path) -> Iterator[tuple[EngineFixture, EngineFixture]]:
    """Two projects that share even the state directory."""
    state = tmp_path / ".deployer"
    with (
        _project(row, state, f"contract-one-{os.getpid()}") as one,
        _project(row, state, f"contract-two-{os.getpid()}") as two,
    ):
        yield one, two


def other(fixture: EngineFixture, another: EngineFixture) -> Any:
    """The platform as a project sees that another one does, or None: others still may use it at the same time."""
    return next(
        (each for each in fixture.engine.inventory.other_projects() if each.traits.project == another.project), None
    )


def release(fixture: EngineFixture) -> str:
    """Of what serves."""
    found = fixture.engine.observe(fixture.name, ENV)
    assert found is not None
    return found.release


def test_what_is_done_to_one_leaves_the_other_as_it_was(pair):
    one, two = pair
    mine, others = one.serve(served(1)), two.serve(served(2))
    assert (mine.project, others.project) == (one.project, two.project)
    assert (other(one, two).traits.project, other(two, one).traits.project) == (two.project, one.project)
    assert one.engine.inventory.names() == two.engine.inventory.names() == ((NAME, ENV),)
    with traffic(asdict(others.endpoints)) as seen:
        with one.engine.locks.acquire(NAME, ENV, 0.0), two.engine.locks.acquire(NAME, ENV, 0.0):
            again = one.serve(served(3))
        assert answer(again) == ANSWERS[3]
        assert (release(one), release(two)) == (again.release, others.release)
        remove_all(one)
        seen.enough(REQUESTS)
    seen.check({ANSWERS[2]}, REQUESTS)
    assert (one.engine.inventory.names(), one.engine.inventory.observe_all(), other(one, two).inventory.names()) == (
        (),
        (),
        ((NAME, ENV),),
    )
    assert other(two, one) is None
    assert release(two) == others.release
    two.reload(others, served(1, 2))
    assert answer(others, 1) == ANSWERS[1]


def test_a_project_that_is_named_sees_what_another_one_has(pair):
    one, two = pair
    assert (other(one, two), other(two, one)) == (None, None)
    two.serve(served(1))
    seen = other(one, two)
    assert [found.project for found in seen.inventory.observe_all()] == [two.project]
    assert one.engine.inventory.conflicts() == one.engine.inventory.conflicts(NAME, ENV) == ()
    with seen.locks.acquire(NAME, ENV, 30.0):
        seen.remove(NAME, ENV)
    assert two.engine.observe(NAME, ENV) is None


def test_what_was_made_before_projects_is_adopted_by_its_directory(row, tmp_path, monkeypatch):
    here = Ownership.is_from_here  # a release of the tool without projects knew all as its own
    monkeypatch.setattr(Ownership, "is_from_here", lambda owner, labels: bool(owner.project) and here(owner, labels))
    name = f"before-{os.getpid()}"
    state, ours = tmp_path / ".deployer", f"contract-ours-{os.getpid()}"
    with (
        _project(row, state, "", name) as before,
        _project(row, state, ours, name) as fixture,
        _project(row, state, f"contract-late-{os.getpid()}", name) as late,
        _project(row, tmp_path / "elsewhere", ours, name) as elsewhere,
    ):
        old = before.serve(served(1))
        assert fixture.engine.observe(name, ENV) == replace(old, project=ours)
        assert elsewhere.engine.observe(name, ENV) is None
        assert bool(elsewhere.engine.inventory.conflicts(name, ENV)) == (
            row.name == "docker"
        )  # others see run directories nowhere
        with traffic(asdict(old.endpoints)) as seen:
            remove_all(elsewhere)
            with fixture.engine.locks.acquire(name, ENV, 30.0):
                (told,) = fixture.engine.recover(name, ENV)
                assert fixture.engine.recover(name, ENV) == ()
            assert fixture.project in told
            assert late.engine.inventory.observe_all() == ()
            remove_all(late)
            seen.enough(REQUESTS)
        seen.check({ANSWERS[1]}, REQUESTS)
        assert (release(fixture), late.engine.observe(name, ENV)) == (old.release, None)
        with fixture.engine.locks.acquire(name, ENV, 30.0):
            now = fixture.serve(served(2))
        assert [answer(now) for _ in range(8)] == [ANSWERS[2]] * 8  # the old server is gone, and shares no port
        remove_all(fixture)
        assert fixture.litter == []
        if row.name == "docker":
            assert docker("network", "ls", "-q", "--filter", f"name={name}") == ""
