"""The lowest versions that `pyproject.toml` allows work: no more is promised than is tried.

The newest are those of `requirements/constraints.txt`, with which all other tests run.
"""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from importlib.metadata import version
from pathlib import Path

import pytest
from support.cli import ANY_PORTS, ONE_AFTER_ANOTHER, environment
from support.fake_engine import INFO, fake_engine
from support.world import MODELS

ROOT = Path(__file__).parents[2]
UV = Path(sys.executable).with_name("uv")
SECONDS = 900
HEAVY = ("tensorflow", "tensorflow-serving-api")
"""Their lowest version is in .venv-estimator too, so that it is fetched once; where that Python is not, ours are taken:
a gigabyte more would be fetched for them."""

CONNECT = """
import sys
from deployer.engines.docker.api import connect
print(connect(sys.argv[1]).info()["ServerVersion"])
"""


@pytest.fixture(scope="module")
def python(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Of an environment with the lowest version of each direct dependency, which sees this checkout."""
    home = tmp_path_factory.mktemp("lowest")
    python = home / "venv" / "bin" / "python"
    (home / "kept.txt").write_text(
        "".join(f"{name}=={version(name)}\n" for name in HEAVY) if sys.version_info >= (3, 12) else ""
    )
    run(UV, "venv", "--quiet", "--python", sys.executable, home / "venv", cwd=home)
    run(
        UV, "pip", "install", "--quiet", "--resolution", "lowest-direct", "--python", python,
        "--constraints", home / "kept.txt", "--requirements", ROOT / "pyproject.toml", cwd=home,
    )  # fmt: skip
    (packages,) = (home / "venv").glob("lib/python*/site-packages")
    (packages / "checkout.pth").write_text(f"{ROOT}\n")
    return python


@pytest.fixture
def project(tmp_path: Path) -> Path:
    shutil.copytree(MODELS / "half_plus_two" / "1", tmp_path / "models" / "half_plus_two" / "1")
    return tmp_path


def run(*arguments: str | Path, cwd: Path, given: str = "") -> str:
    ended = subprocess.run(
        [str(argument) for argument in arguments], input=given, cwd=cwd, env=environment(), capture_output=True,
        text=True, timeout=SECONDS, check=False,
    )  # fmt: skip
    assert ended.returncode == 0, f"{ended.stdout}\n{ended.stderr}"
    return ended.stdout


@pytest.mark.parametrize(
    "arguments",
    [
        ("--help",),
        ("up", "--help"),
        ("status", "--json"),
        ("versions", "--json"),
        ("inspect", "half_plus_two"),
        ("render", "half_plus_two"),
        ("render", "compose", "half_plus_two"),
        ("init", "--name", "half_plus_two"),
    ],
)
def test_a_command_works_with_the_lowest_versions(python: Path, project: Path, arguments: tuple[str, ...]) -> None:
    out = run(python, "-m", "deployer", *arguments, cwd=project)
    assert json.loads(out) if "--json" in arguments else out


@pytest.mark.parametrize("arguments", [("scale",), ("up", "--nope"), ("nope",), ("logs", "--tail", "x")], ids=str)
def test_wrong_usage_is_an_error_with_the_lowest_versions(python: Path, project: Path, arguments: list[str]) -> None:
    ended = subprocess.run(
        [python, "-m", "deployer", *arguments, "--json"], cwd=project, env=environment(), capture_output=True,
        text=True, timeout=SECONDS, check=False,
    )  # fmt: skip
    assert (ended.returncode, json.loads(ended.stdout)["error"]["code"]) == (2, 2), ended.stderr


def test_the_docker_engine_is_reached_with_the_lowest_versions(python: Path, project: Path) -> None:
    with fake_engine() as address:
        assert run(python, "-c", CONNECT, address, cwd=project).strip() == INFO["ServerVersion"]


def test_a_model_is_exported_and_proven_with_the_lowest_versions(python: Path, project: Path) -> None:
    commands = [["up", str(MODELS / "half_plus_two" / "1"), "--name", "half", *ANY_PORTS], ["smoke", "half"], ["down"]]
    run(python, "-c", ONE_AFTER_ANOTHER, cwd=project, given=json.dumps(commands))
    assert (project / "models" / "half" / "1" / "saved_model.pb").exists()
