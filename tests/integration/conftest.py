"""Projects with a store, cleaned up and checked for litter after each test."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from support.cli import deployer
from support.stores import copy_store, shared_store
from support.world import servers


@pytest.fixture(scope="session")
def store(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Made once, by real exports; tests deploy copies of it."""
    return shared_store(tmp_path_factory)


@pytest.fixture
def empty_project(tmp_path: Path) -> Iterator[Path]:
    """A directory without a store; whatever a test leaves running is taken down."""
    yield tmp_path
    if servers(tmp_path):
        deployer("down", "--all", "-q", cwd=tmp_path)
    left = servers(tmp_path)
    for process in left:
        process.kill()
    assert not left, "`down --all` left servers behind"


@pytest.fixture
def project(empty_project: Path, store: Path) -> Path:
    """A directory with its own copy of the store."""
    return copy_store(store, empty_project)
