"""The check of the words that prose does not use: on a project of its own."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

SCRIPT = Path(__file__).parents[2] / "docs" / "words.py"


def run(project: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    script = project / "docs" / "words.py"
    return subprocess.run([sys.executable, script, *arguments], capture_output=True, text=True, timeout=60, check=False)


@pytest.fixture
def project(tmp_path: Path) -> Path:
    (tmp_path / "docs").mkdir()
    (tmp_path / "deployer").mkdir()
    shutil.copy(SCRIPT, tmp_path / "docs")
    assert run(tmp_path, "--lower").returncode == 0
    assert run(tmp_path).returncode == 0
    return tmp_path


@pytest.mark.parametrize(
    ("path", "text"),
    [
        ("README.md", "The second Floor."),
        ("docs/page.md", "It is what\nthere is."),
        (".github/notes.md", "Two doors."),
        ("templates/x.j2", "# a wish"),
        ("deployer/inner/module.py", '"""A letterbox of messages."""'),
        ("deployer/module.py", 'raise ValueError(f"{1} autopsy of the server")'),
    ],
)
def test_a_word_that_is_not_used_is_found_wherever_people_read(project: Path, path: str, text: str) -> None:
    (project / path).parent.mkdir(parents=True, exist_ok=True)
    (project / path).write_text(text)
    ended = run(project)
    assert ended.returncode == 1
    assert path in ended.stdout


def test_names_in_code_are_not_prose(project: Path) -> None:
    (project / "deployer" / "module.py").write_text('floor = {"floor": 1}  # the floor\n')
    assert run(project).returncode == 0


def test_the_numbers_only_go_down(project: Path) -> None:
    (project / "README.md").write_text("A house.")
    assert run(project, "--lower").returncode == 0
    assert run(project).returncode == 1
