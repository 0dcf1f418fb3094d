"""A project for each test, or for each file where a server is shared; at its end nothing may be left of it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from contract.engines.fixture import EngineFixture, served
from contract.engines.rows import ROWS, Row

from deployer.results.deployment import Deployment


@pytest.fixture(scope="session", params=ROWS, ids=lambda row: row.name)
def row(request: pytest.FixtureRequest) -> Row:
    return request.param


@contextmanager
def _fixture(row: Row, directory: Path) -> Iterator[EngineFixture]:
    fixture = EngineFixture(row, directory / ".deployer")
    fixture.engine.images.pull(print)
    yield fixture
    for name, env in fixture.engine.inventory.names():
        with fixture.engine.locks.acquire(name, env, 30.0):
            fixture.engine.remove(name, env)
    assert fixture.litter == []


@pytest.fixture
def fixture(row: Row, tmp_path: Path) -> Iterator[EngineFixture]:
    """A project of the test's own."""
    with _fixture(row, tmp_path) as made:
        yield made


@pytest.fixture(scope="module")
def shared(row: Row, tmp_path_factory: pytest.TempPathFactory) -> Iterator[EngineFixture]:
    """One project for tests that leave it as it is."""
    with _fixture(row, tmp_path_factory.mktemp("shared")) as made:
        yield made


@pytest.fixture(scope="module")
def serving(shared: EngineFixture) -> Deployment:
    """Version 1, serving in the shared project."""
    return shared.serve(served(1))
