"""Each line of docs/from-docker-run.md: the settings that it gives render to what it says is started."""

from __future__ import annotations

import re
import shutil
from pathlib import Path

import pytest
from support.cli import in_process
from support.world import MODELS

PAGE = Path(__file__).parents[2] / "docs" / "from-docker-run.md"
ROW = re.compile(r"^\| (?P<by_hand>`.*) \| `(?P<settings>[^|`]*)` \| `(?P<started>[^|`]*)` \|$", re.MULTILINE)
ROWS = [(row["settings"], row["started"]) for row in ROW.finditer(PAGE.read_text())]


def test_the_page_has_its_table() -> None:
    assert len(ROWS) == 17


@pytest.mark.parametrize(("settings", "started"), ROWS)
def test_a_setting_starts_what_the_page_says(tmp_path: Path, settings: str, started: str) -> None:
    for version in ("1", "3"):
        shutil.copytree(MODELS / "half_plus_two" / version, tmp_path / "models" / "half" / version)
    lines = ['engine = "docker"', settings]
    if not settings.startswith("models"):
        lines.append("models.half.versions = [1]")
    (tmp_path / "deployer.toml").write_text("\n".join(lines))
    ended = in_process("render", "docker-run", cwd=tmp_path)
    assert ended.code == 0, ended.err
    assert started in ended.out
