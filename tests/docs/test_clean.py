"""`make clean` removes what the examples made, and nothing else: on a copy of the project."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from support.cli import ANY_PORTS, deployer, environment
from support.world import MODELS, servers

ROOT = Path(__file__).parents[2]
COPIED = ("Makefile", "README.md", "examples", "templates", "docs", "tests/support")
LEFT_BY_USE = shutil.ignore_patterns("models", ".deployer", "*.keras", "__pycache__")

MADE = [
    "examples/two_models/species.keras",
    "examples/digits/digits.keras",
    "build/lib/x",
    "dist/deployer.whl",
    ".pytest_cache/x",
    ".mypy_cache/x",
    ".ruff_cache/x",
    ".hypothesis/x",
    ".import_linter_cache/x",
    "docs/__pycache__/x.pyc",
    "examples/digits/__pycache__/x.pyc",
    "tests/support/__pycache__/deeper/x.pyc",
]
OF_THE_USER = [
    "mine.keras",
    "models/net/1/saved_model.pb",
    ".deployer/ledger.db",
    "deployer.toml",
    "examples/notes.txt",
    "examples/digits/notes.txt",
    "examples/digits/own/net.keras",
    "my examples/net.keras",
    "docs/build/x",
]


@pytest.fixture
def copy(tmp_path: Path) -> Path:
    """The project's files, with the environment that is there already."""
    root = tmp_path / "a project"
    for name in COPIED:
        place = root / name
        place.parent.mkdir(parents=True, exist_ok=True)
        source = ROOT / name
        shutil.copytree(source, place, ignore=LEFT_BY_USE) if source.is_dir() else shutil.copy(source, place)
    (root / ".venv").symlink_to(Path(sys.prefix), target_is_directory=True)
    return root


def touch(root: Path, names: list[str]) -> None:
    for name in names:
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text("x")


def files(root: Path) -> set[str]:
    return {str(path.relative_to(root)) for path in root.rglob("*") if path.is_file() or path.is_symlink()}


def clean(root: Path) -> None:
    ended = subprocess.run(
        ["make", "clean"], cwd=root, env=environment(), capture_output=True, text=True, timeout=180, check=False
    )
    assert ended.returncode == 0, ended.stdout + ended.stderr


def test_what_the_examples_made_is_removed_and_nothing_else(copy: Path) -> None:
    touch(copy, OF_THE_USER)
    before = files(copy)
    environments = sorted(Path(sys.prefix).iterdir())
    touch(copy, MADE)
    for name in ("custom_layer", "digits"):
        example = copy / "examples" / name
        up = deployer("up", str(MODELS / "half_plus_two" / "1"), "--name", name, "-q", *ANY_PORTS, cwd=example)
        assert up.code == 0, up.err
        assert servers(example)
    clean(copy)
    assert files(copy) == before
    assert not servers(copy)
    assert sorted(Path(sys.prefix).iterdir()) == environments
    clean(copy)
    assert files(copy) == before


def test_without_an_environment_files_are_removed_all_the_same(copy: Path) -> None:
    (copy / ".venv").unlink()
    touch(copy, OF_THE_USER)
    before = files(copy)
    touch(copy, [*MADE, "examples/digits/.deployer/x", "examples/digits/models/digits/1/x"])
    clean(copy)
    assert files(copy) == before
