"""A directory to run documented commands in; servers that they leave are found and taken down."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from support.cli import deployer
from support.world import servers


@pytest.fixture
def directory(tmp_path: Path) -> Iterator[Path]:
    yield tmp_path
    for state in tmp_path.rglob(".deployer"):
        deployer("down", "--all", "-q", cwd=state.parent)
    left = servers(tmp_path)
    for process in left:
        process.kill()
    assert not left, "`down --all` left servers behind"
