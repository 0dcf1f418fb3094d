"""Every example does what its README says."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

from support.cli import in_process
from support.shell import blocks, run

EXAMPLES = Path(__file__).parents[2] / "examples"
LEFT_BY_USE = shutil.ignore_patterns("models", ".deployer", "*.keras", "__pycache__")


def copy(name: str, directory: Path) -> Path:
    return Path(shutil.copytree(EXAMPLES / name, directory / name, ignore=LEFT_BY_USE))


def commands(name: str) -> list[str]:
    """The commands of the example's only block."""
    (block,) = blocks(EXAMPLES / name / "README.md")
    return block.splitlines()


def test_custom_layer(directory: Path) -> None:
    here = copy("custom_layer", directory)
    train, up, predict, down = commands("custom_layer")
    run(train, here)
    assert "waves.keras uses 'Waves'" in in_process("up", "waves.keras", cwd=here).err
    run(up, here)
    assert "waves is up to date: version 1" in run(up, here)
    first, second = (value for (value,) in json.loads(run(predict, here))["predictions"])
    assert abs(first) < 0.2
    assert abs(second - 0.64) < 0.2
    assert run(down, here) == "waves [local] on embedded is down\n"


def test_two_models(directory: Path) -> None:
    here = copy("two_models", directory)
    train, plan, up, species, petal_width, down = commands("two_models")
    run(train, here)
    assert "export species.keras as species:1" in run(plan, here)
    assert "CREATE iris [local] on " in run(up, here)
    assert json.loads(run(species, here))["predictions"][0][0] > 0.9
    assert abs(json.loads(run(petal_width, here))["predictions"][0][0] - 0.2) < 0.3
    rest = json.loads(run("deployer status --json", here))["deployments"][0]["deployment"]["endpoints"]["rest"]
    labelled = f"curl -sf -d '{{\"instances\": [[5.1, 3.5, 1.4, 0.2]]}}' {rest}/v1/models/species/labels/stable:predict"
    assert json.loads(run(labelled, here))["predictions"][0][0] > 0.9
    run(down, here)


def test_digits_says_what_the_worked_example_of_the_readme_runs() -> None:
    """tests/docs/test_readme.py runs that."""
    run_there = {line for block in blocks(EXAMPLES.parent / "README.md") for line in block.splitlines()}
    said = {line.partition("  ")[0] for line in commands("digits")}
    assert len(said) == 4
    assert not said - run_there
