"""The light distribution: its dependencies are those of the full one, less what only that needs."""

from __future__ import annotations

import sys
from importlib.machinery import PathFinder
from pathlib import Path

import pytest

from deployer.errors import ExtraMissing
from deployer.system import packages

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

ROOT = Path(__file__).parents[3]


def dependencies(file: str) -> set[str]:
    return set(tomllib.loads((ROOT / file).read_text())["project"]["dependencies"])


def test_the_light_distribution_has_all_dependencies_but_those():
    left_out = dependencies("pyproject.toml") - dependencies("core/pyproject.toml")
    assert dependencies("core/pyproject.toml") <= dependencies("pyproject.toml")
    assert {text.partition(">")[0] for text in left_out} == set(packages.FULL_ONLY.values())


def test_nothing_is_missing_here():
    assert packages.missing_packages() == ()
    packages.require_tensorflow("a test")


def test_missing_tensorflow_is_an_error_that_names_all_missing_packages(monkeypatch: pytest.MonkeyPatch):
    missing = {"tensorflow", "h5py"}
    monkeypatch.setattr(
        packages, "find_spec", lambda module: None if module in missing else PathFinder.find_spec(module)
    )
    for module in missing:
        monkeypatch.delitem(sys.modules, module, raising=False)
    with pytest.raises(ExtraMissing) as caught:
        packages.require_tensorflow("a test", "; or not")
    assert caught.value.hint == "pip install tensorflow h5py; or not"
