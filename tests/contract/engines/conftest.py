"""A project for each test, or for each file where a server is shared; at its end nothing may be left of it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from contract.engines.house import House, served
from contract.engines.rows import ROWS, Row

from deployer.results.deployment import Deployment


@pytest.fixture(scope="session", params=ROWS, ids=lambda row: row.name)
def row(request: pytest.FixtureRequest) -> Row:
    return request.param


@contextmanager
def _house(row: Row, folder: Path) -> Iterator[House]:
    house = House(row, folder / ".deployer")
    house.engine.images.pull(print)
    yield house
    for name, env in house.engine.inventory.names():
        with house.engine.locks.acquire(name, env, 30.0):
            house.engine.remove(name, env)
    assert house.litter == []


@pytest.fixture
def house(row: Row, tmp_path: Path) -> Iterator[House]:
    """A project of the test's own."""
    with _house(row, tmp_path) as made:
        yield made


@pytest.fixture(scope="module")
def shared(row: Row, tmp_path_factory: pytest.TempPathFactory) -> Iterator[House]:
    """One project for tests that leave it as it is."""
    with _house(row, tmp_path_factory.mktemp("shared")) as made:
        yield made


@pytest.fixture(scope="module")
def serving(shared: House) -> Deployment:
    """Version 1, serving in the shared project."""
    return shared.serve(served(1))
