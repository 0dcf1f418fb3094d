"""README's commands run, in order, as they are written, and print what README says they print."""

from __future__ import annotations

import re
import shutil
from pathlib import Path

import pytest
from support.cli import deployer
from support.shell import blocks, run

ROOT = Path(__file__).parents[2]
README = ROOT / "README.md"
PAGES = sorted(path for path in ROOT.glob("*.md")) + sorted((ROOT / "docs").rglob("*.md"))
LEFT_BY_USE = shutil.ignore_patterns("models", ".deployer", "*.keras", "__pycache__")
NUMBER = re.compile(r"\d+(\.\d+)*(e[-+]?\d+)?")
AGE = re.compile(r"just now|\d+ \w+ ago")
REST = "import json, sys; print(json.load(sys.stdin)['deployments'][0]['deployment']['endpoints']['rest'])"
ASK = f"""
python ask.py "$(deployer status --json | python -c "{REST}")" | tee asked.txt
bash -c "$(grep '^curl ' asked.txt)"
"""
"""What `make demo` does before it ends: the question, and then the `curl` line that it printed."""


def stable(text: str) -> list[str]:
    """Lines without what changes: numbers, ages, and the spaces that align them. `…` stands for no line."""
    text = AGE.sub("ago", text)
    return [" ".join(NUMBER.sub("N", line).split()) for line in text.splitlines() if line.strip() not in ("", "…")]


def missing(wanted: list[str], printed: list[str]) -> list[str]:
    """The first line that is not printed, or not in this order."""
    rest = iter(printed)
    return next(([line] for line in wanted if line not in rest), [])


@pytest.fixture(scope="module")
def printed(tmp_path_factory: pytest.TempPathFactory) -> str:
    """What one shell prints that goes through all blocks of README."""
    directory = tmp_path_factory.mktemp("readme")
    shutil.copytree(ROOT / "examples", directory / "examples", ignore=LEFT_BY_USE)
    shell = "\n".join(blocks(README)).replace("deployer predict", f"{ASK}\ndeployer predict", 1)
    (python,) = blocks(README, "python")
    try:
        return run(f"exec 2>&1\n{shell}\npython - <<'END'\n{python}\nEND\n", directory)
    finally:
        deployer("down", "--all", "-q", cwd=directory / "examples" / "digits")


def test_the_worked_example_prints_what_it_says(printed: str) -> None:
    samples = blocks(README, "console")
    assert len(samples) >= 4
    assert missing([line for block in samples for line in stable(block)], stable(printed)) == []


def test_a_real_digit_is_recognised_by_the_endpoint_and_by_the_curl_line(printed: str) -> None:
    assert "The endpoint says 2" in printed
    assert "It is a 2." in printed
    (answer,) = re.findall(r'^{\n\s*"predictions": \[\[([^]]+)\]', printed, re.MULTILINE)
    probabilities = [float(value) for value in answer.split(",")]
    assert len(probabilities) == 10
    assert max(probabilities) == probabilities[2]


def test_the_python_example_deploys_the_same(printed: str) -> None:
    assert re.search(r"^Change.CREATE http://127.0.0.1:\d+ True$", printed, re.MULTILINE)


def test_every_verb_is_in_the_table() -> None:
    from typer.main import get_command

    from deployer.cli import app

    chapter = README.read_text().partition("## Commands")[2].partition("\n## ")[0]
    assert not [verb for verb in get_command(app).commands if f"`{verb}" not in chapter]


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_links_lead_somewhere(page: Path) -> None:
    links = re.findall(r"\]\(([^)#:]+)(?:#[^)]*)?\)", page.read_text())
    assert not [link for link in links if not (page.parent / link).exists()]


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_links_within_a_page_lead_somewhere(page: Path) -> None:
    text = page.read_text()
    anchors = {
        re.sub(r"[^\w -]", "", title).lower().replace(" ", "-")
        for title in re.findall(r"^#+ (.+)$", text, re.MULTILINE)
    }
    assert not [link for link in re.findall(r"\]\(#([^)]+)\)", text) if link not in anchors]
