"""Every example does what its README says."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

from support.cli import deployer
from support.shell import blocks, run

EXAMPLES = Path(__file__).parents[2] / "examples"
LEFT_BY_USE = shutil.ignore_patterns("models", ".deployer", "*.keras", "__pycache__")


def copy(name: str, folder: Path) -> Path:
    return Path(shutil.copytree(EXAMPLES / name, folder / name, ignore=LEFT_BY_USE))


def commands(name: str) -> list[str]:
    """The commands of the example's only block."""
    (block,) = blocks(EXAMPLES / name / "README.md")
    return block.splitlines()


def test_custom_layer(folder: Path) -> None:
    here = copy("custom_layer", folder)
    train, up, predict, down = commands("custom_layer")
    run(train, here)
    assert "waves.keras uses 'Waves'" in deployer("up", "waves.keras", cwd=here).err
    run(up, here)
    assert "NOTHING waves [local]" in run(up, here)
    first, second = (value for (value,) in json.loads(run(predict, here))["predictions"])
    assert abs(first) < 0.2
    assert abs(second - 0.64) < 0.2
    assert run(down, here) == "waves [local] is down\n"


def test_two_models(folder: Path) -> None:
    here = copy("two_models", folder)
    train, plan, up, species, petal_width, down = commands("two_models")
    run(train, here)
    assert "export species.keras as species:1" in run(plan, here)
    assert "CREATE iris [local]" in run(up, here)
    assert json.loads(run(species, here))["predictions"][0][0] > 0.9
    assert abs(json.loads(run(petal_width, here))["predictions"][0][0] - 0.2) < 0.3
    rest = json.loads(run("deployer status --json", here))["deployments"][0]["deployment"]["endpoints"]["rest"]
    labelled = f"curl -sf -d '{{\"instances\": [[5.1, 3.5, 1.4, 0.2]]}}' {rest}/v1/models/species/labels/stable:predict"
    assert json.loads(run(labelled, here))["predictions"][0][0] > 0.9
    run(f"{train} && {up}", here)
    status = json.loads(run("deployer status --json", here))["deployments"][0]["deployment"]["models"]
    assert [(model["name"], model["versions"]) for model in status] == [("species", [1]), ("petal_width", [2])]
    run(down, here)


def test_digits(folder: Path) -> None:
    """The README's commands, and `make demo`'s curl line; the demo may be run again."""
    here = copy("digits", folder)
    train, up, predict, down = commands("digits")
    assert "unseen digits are recognised" in run(train, here)
    run(up, here)
    assert len(json.loads(run(predict, here))["outputs"][0]) == 10
    rest = json.loads(run("deployer status --json", here))["deployments"][0]["deployment"]["endpoints"]["rest"]
    said = run(f"python ask.py {rest}", here)
    assert "The endpoint says 2" in said
    assert "It is a 2." in said
    (curl,) = (line for line in said.splitlines() if line.startswith("curl "))
    probabilities = json.loads(run(curl, here))["predictions"][0]
    assert max(range(10), key=probabilities.__getitem__) == 2
    assert "NOTHING digits [local]" in run(up, here)
    run(down, here)
