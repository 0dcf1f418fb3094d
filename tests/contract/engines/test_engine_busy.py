"""A model that takes about 20 ms a call, on a server with 8 gRPC threads: good answers are waited for on any engine."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from contract.engines.rows import DOCKER_IMAGE, REAL_ROWS, Row, each_of
from support.cli import Ended, deployer

NAME = "contract-busy"
ROUNDS = 3
SLOW = Path(__file__).parents[3] / "benchmarks" / "slow_model.py"
SETTINGS = """
[server]
rest_port = 0
grpc_port = 0
flags = { grpc_max_threads = 8 }
"""


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two versions in the store."""
    directory = tmp_path_factory.mktemp("busy")
    for each in (directory, *list(directory.parents)[:2]):
        each.chmod(0o755)  # containers run as nobody
    shutil.copy(SLOW, directory / "slow.py")
    (directory / "deployer.toml").write_text(SETTINGS)
    for source in ("one", "two"):
        ended = deployer("export", f"slow.py:{source}", "--name", NAME, cwd=directory)
        assert ended.code == 0, ended.err
    return directory


@pytest.fixture
def settings(project: Path, row: Row) -> Iterator[dict[str, str]]:
    chosen = {"DEPLOYER_ENGINE": row.name, "DEPLOYER_DOCKER_IMAGE": DOCKER_IMAGE}
    chosen = {name: value for name, value in chosen.items() if value}
    yield chosen
    assert deployer("down", NAME, cwd=project, **chosen).code == 0


def retried(ended: Ended) -> int:
    """How many requests of the last proof were repeated; whatever they were, it passed."""
    assert ended.code == 0, ended.out + ended.err
    report = ended.json["report"]
    assert report["ok"]
    assert not any(check["overloaded"] for check in report["checks"])
    return sum(check["retried"] for check in report["checks"])


@each_of(REAL_ROWS)
def test_a_slow_model_on_few_threads_is_never_refused(project: Path, settings: dict[str, str]) -> None:
    first = deployer("up", f"{NAME}:1", "--json", cwd=project, **settings)
    retried(first)
    assert any("grpc_max_threads is 8" in notice for notice in first.json["notices"])
    for _ in range(ROUNDS):
        for verb in ("redeploy", "rollback"):
            retried(deployer(verb, NAME, "--json", cwd=project, **settings))
