"""A host without TensorFlow: the light distribution in an environment of its own deploys a store on a real engine."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from support.cli import ANY_PORTS, Ended

from deployer.system.packages import FULL_ONLY

ROOT = Path(__file__).parents[2]
CONSTRAINTS = ROOT / "requirements" / "constraints.txt"
MEGABYTES = 140
Run = Callable[..., Ended]


@pytest.fixture(scope="module")
def light(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The environment that `pip install ./core` makes."""
    home = tmp_path_factory.mktemp("light") / "env"
    uv = Path(sys.executable).with_name("uv")
    for words in (
        (uv, "venv", "--quiet", "--python", sys.executable, home),
        (uv, "pip", "install", "--quiet", "--python", home, "--constraints", CONSTRAINTS, ROOT / "core"),
    ):
        subprocess.run(words, timeout=600, check=True)
    return home


@pytest.fixture
def run(light: Path, project: Path) -> Run:
    """Run its `deployer` in the project."""

    def run(*arguments: str) -> Ended:
        ended = subprocess.run(
            [light / "bin" / "deployer", *arguments],
            cwd=project, env=os.environ.copy(), stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=180,
            check=False,
        )  # fmt: skip
        return Ended(ended.returncode, ended.stdout, ended.stderr)

    return run


def done(ended: Ended) -> Ended:
    assert ended.code == 0, ended.err + ended.out
    return ended


def test_it_has_no_tensorflow_and_is_small(light: Path) -> None:
    (packages,) = light.glob("lib/python*/site-packages")
    assert not [module for module in FULL_ONLY if (packages / module).exists()]
    size = sum(file.stat().st_size for file in light.rglob("*") if file.is_file() and not file.is_symlink())
    assert size < MEGABYTES << 20


def test_a_stored_model_is_deployed_changed_and_removed(run: Run) -> None:
    assert done(run("plan", "half_plus_two:1")).out
    report = done(run("up", "half_plus_two:1", *ANY_PORTS, "--json", "-q")).json
    parity = {check["name"] for check in report["report"]["checks"] if check["name"].startswith("parity")}
    assert parity == {"parity REST", "parity gRPC"}
    assert done(run("predict", "half_plus_two", "--json")).json
    done(run("redeploy", "half_plus_two", "--version", "2", "-q"))
    (status,) = done(run("status", "--json")).json["deployments"]
    assert [model["versions"] for model in status["deployment"]["models"]] == [[2]]
    done(run("rollback", "half_plus_two", "-q"))
    done(run("smoke", "half_plus_two"))
    for words in (
        ("versions",), ("history", "half_plus_two"), ("logs", "half_plus_two"), ("inspect", "half_plus_two"),
        ("render", "half_plus_two"), ("render", "compose", "half_plus_two"), ("doctor",),
    ):  # fmt: skip
        done(run(*words))
    done(run("down", "half_plus_two", "-q"))


def test_signatures_are_compared(run: Run) -> None:
    assert done(run("diff", "half_plus_two", "1", "2", "--signatures", "--json")).json["breaking"] is False


@pytest.mark.parametrize(
    "arguments",
    [
        ("export", "new"),
        ("up", "new"),
        ("plan", "new"),
        ("diff", "half_plus_two", "1", "2"),
        ("up", "half_plus_two", "--engine", "embedded"),
        ("plan", "half_plus_two", "--engine", "embedded"),
    ],
    ids=" ".join,
)
def test_what_needs_tensorflow_names_the_packages_to_install(
    run: Run, project: Path, arguments: tuple[str, ...]
) -> None:
    shutil.copytree(project / "models" / "text" / "1", project / "new")
    ended = run(*arguments)
    assert ended.code == 11, ended.err + ended.out
    install = re.search(r"pip install ([a-z0-9 -]+)", ended.err)
    assert install
    assert set(install[1].split()) == set(FULL_ONLY.values())


def test_no_hint_names_the_embedded_engine(run: Run) -> None:
    ended = run("up", "half_plus_two", "--image", "127.0.0.1:1/none/such:1")
    assert (ended.code, "--engine embedded" in ended.err) == (6, False), ended.err
