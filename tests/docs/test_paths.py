"""The files that the pages name exist."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PAGES = sorted(
    path
    for pattern in ("*.md", "docs/*.md", "docs/decisions/*.md", "examples/*/*.md", "docker/*/*.md")
    for path in ROOT.glob(pattern)
)
DIRECTORIES = ("deployer", "docker", "docs", "examples", "requirements", "templates", "tests")
NAMED = re.compile(rf"`((?:{'|'.join(DIRECTORIES)})/[^`\s*]+)`")


def missing(text: str) -> list[str]:
    """The paths in backticks that do not exist, apart from those with a placeholder such as NAME."""
    named = [path for path in NAMED.findall(text) if not re.search(r"[A-Z]{4}", path.replace("README", ""))]
    return [path for path in named if not (ROOT / path).exists()]


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_the_paths_on_a_page_exist(page: Path) -> None:
    assert missing(page.read_text()) == []


def test_a_module_that_was_renamed_is_found() -> None:
    assert missing("`deployer/no_such.py`, `deployer/errors.py`, `deployer/engines/NAME/engine.py`") == [
        "deployer/no_such.py"
    ]
