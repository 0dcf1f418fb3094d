"""A project on the in-memory engine, which stands in for the embedded one."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from support.memory import MemoryEngine
from support.memory.project import VERSIONS, Project

from deployer import engines
from deployer.verification import smoke


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Project]:
    """Versions 1 to 3 of `m` are in the store, and nothing is deployed."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("DOCKER_HOST", f"unix://{tmp_path}/no.sock")  # what a Docker Engine here runs is others'
    monkeypatch.setattr(smoke, "CONCURRENT_REQUESTS", 2)  # tests/unit/verification tries the gate's load itself
    monkeypatch.setattr(smoke, "CONCURRENT_THREADS", 2)
    monkeypatch.setitem(
        engines.ENGINES,
        "embedded",
        lambda spec: MemoryEngine(spec.state_dir, spec.project or "", gated=spec.gateway.enabled),
    )
    made = Project(tmp_path)
    for version in VERSIONS:
        made.publish(version)
    yield made
    made.platform.close()


@pytest.fixture
def serving(project: Project) -> Project:
    """Version 1 serves."""
    project.up()
    project.platform.done.clear()
    return project
