"""The lists of rooms that import-linter holds are whole: a room that is missing there may import what it likes."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

ROOT = Path(__file__).parents[2]
ROOMS = {
    path.stem
    for path in (ROOT / "deployer").iterdir()
    if path.suffix == ".py" or (path.is_dir() and path.name != "__pycache__")
}
EVERYBODYS = {"__init__", "__main__", "_version", "errors"}


def contract(name: str) -> Any:
    """The contract of pyproject.toml whose name begins so."""
    contracts = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["importlinter"]["contracts"]
    return next(found for found in contracts if found["name"].startswith(name))


def named(modules: list[str]) -> set[str]:
    return {module.removeprefix("deployer.") for module in modules}


def test_the_server_may_import_no_room_but_errors() -> None:
    assert ROOMS - named(contract("The embedded server")["forbidden_modules"]) == EVERYBODYS | {"server"}


def test_tensorflow_is_forbidden_to_all_rooms_but_two() -> None:
    allowed = {"export", "server"}
    assert ROOMS - named(contract("TensorFlow")["source_modules"]) == (EVERYBODYS | allowed) - {"errors"}
