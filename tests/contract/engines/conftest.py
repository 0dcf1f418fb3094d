"""A project for each test, or for each file where a server is shared; at its end nothing may be left of it."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from contract.engines import cluster_rows
from contract.engines.cluster_rows import EVERY_ROW
from contract.engines.fixture import EngineFixture, served
from contract.engines.rows import DOCKER_IMAGE, Row
from support import cluster as clusters
from support.containers import gateway_image
from support.swarm import healthy_soon

from deployer.results.deployment import Deployment


@pytest.fixture(scope="session", params=EVERY_ROW, ids=str)
def row(request: pytest.FixtureRequest) -> Row:
    """The engine of a test, on a platform that is there."""
    if request.param.needs_cluster:
        request.getfixturevalue("cluster")
    return request.param


@pytest.fixture(scope="session")
def cluster() -> Iterator[None]:
    """The cluster that test processes share. Commands find its SSH."""
    with (
        clusters.shared([DOCKER_IMAGE, gateway_image()]) as found,
        healthy_soon(),
        pytest.MonkeyPatch.context() as variables,
    ):
        variables.setenv("PATH", str(found.ssh_path), prepend=os.pathsep)
        yield
        cluster_rows.remove_images()


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
