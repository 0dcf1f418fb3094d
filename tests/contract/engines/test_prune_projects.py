"""`prune` of one project where another one is deployed on the same engine: what that one needs stays."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import requests
from contract.engines.rows import DOCKER_IMAGE, ROWS, Row
from support.cli import deployer
from support.world import MODELS

from deployer.engines import ENGINES

NAME = "half_plus_two"
SETTINGS = "[server]\nrest_port = 0\ngrpc_port = 0\n[gate]\nskip = true\n"
"""Files that no export made are served unproven."""


class Project:
    """A directory of its own on the row's engine, with the store that is given."""

    def __init__(self, row: Row, directory: Path, store: Path) -> None:
        directory.mkdir()
        project = f"prune-{directory.name}-{os.getpid()}"
        (directory / "deployer.toml").write_text(f'project = "{project}"\nmodels_dir = "{store}"\n{SETTINGS}')
        settings = {"DEPLOYER_ENGINE": row.name, "DEPLOYER_DOCKER_IMAGE": DOCKER_IMAGE}
        self._settings = {name: value for name, value in settings.items() if value}
        self._directory = directory
        self.store = store

    def run(self, *arguments: str) -> Any:
        ended = deployer(*arguments, "--json", cwd=self._directory, **self._settings)
        assert ended.code == 0, ended.err + ended.out
        return ended.json

    def up(self, version: int) -> str:
        """Where that version answers."""
        return str(self.run("up", f"{NAME}:{version}")["endpoints"]["rest"])

    def close(self) -> None:
        assert deployer("down", "--all", "-q", cwd=self._directory, **self._settings).code in (0, 10)


def make_store(directory: Path) -> Path:
    """Six versions, which are 1 and 2 by turns."""
    for version in range(1, 7):
        source = MODELS / NAME / str(2 - version % 2)
        shutil.copytree(source, directory / NAME / str(version), copy_function=shutil.copyfile)
    return directory


def versions(store: Path) -> list[int]:
    return sorted(int(path.name) for path in (store / NAME).iterdir())


def answer(rest: str) -> float:
    """What is made of 2.0."""
    asked = requests.post(f"{rest}/v1/models/{NAME}:predict", json={"instances": [2.0]}, timeout=60)
    return float(asked.json()["predictions"][0])


@pytest.fixture(params=[row for row in ROWS if row.name in ENGINES], ids=lambda row: row.name)
def row(request: pytest.FixtureRequest) -> Row:
    """The engines that a command can name."""
    return request.param


@pytest.fixture
def projects(row: Row, tmp_path: Path) -> Iterator[tuple[Project, Project, Project]]:
    """Two that share a store, and one with a store of its own."""
    for each in (tmp_path, *list(tmp_path.parents)[:2]):
        each.chmod(0o755)  # containers run as nobody
    shared, own = make_store(tmp_path / "shared"), make_store(tmp_path / "own")
    made = (
        Project(row, tmp_path / "one", shared),
        Project(row, tmp_path / "two", shared),
        Project(row, tmp_path / "three", own),
    )
    yield made
    for project in made:
        project.close()


def test_what_another_project_serves_and_rolls_back_to_stays(projects):
    one, two, three = projects
    two.up(1)
    others = two.up(2)
    elsewhere = three.up(4)
    one.up(3)
    foreseen = one.run("prune", "--keep", "1", "--dry-run")
    done = one.run("prune", "--keep", "1")
    for result in (foreseen, done):
        assert [model["version"] for model in result["removed"]] == [4, 5]
    assert versions(one.store) == [1, 2, 3, 6]
    assert versions(three.store) == [1, 2, 3, 4, 5, 6]
    assert answer(others) == answer(elsewhere) == 2.0 / 2 + 3.0
    back = two.run("rollback", NAME)
    assert (back["models"][0]["versions"], answer(back["endpoints"]["rest"])) == ([1], 2.0 / 2 + 2.0)
