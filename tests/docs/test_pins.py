"""The pins fit pyproject.toml, and are plain."""

from __future__ import annotations

import re
from pathlib import Path

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from deployer.config.loader import tomllib

ROOT = Path(__file__).parents[2]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
LINES = (ROOT / "requirements" / "constraints.txt").read_text().splitlines()
PINS = [Requirement(line) for line in LINES]


def wanted() -> list[Requirement]:
    """What the project and its extras ask for, the project itself apart."""
    listed = [
        *PROJECT["dependencies"],
        *(text for extra in PROJECT["optional-dependencies"].values() for text in extra),
    ]
    found = [Requirement(text) for text in listed]
    return [requirement for requirement in found if requirement.name != PROJECT["name"]]


def test_every_dependency_is_pinned_to_a_version_that_it_allows() -> None:
    for requirement in wanted():
        pins = [pin for pin in PINS if canonicalize_name(pin.name) == canonicalize_name(requirement.name)]
        assert pins, f"{requirement.name} is not pinned: make pins"
        for pin in pins:
            (exact,) = pin.specifier
            assert requirement.specifier.contains(exact.version), f"{pin} does not fit {requirement}: make pins"


def test_pins_are_exact_and_name_no_address() -> None:
    assert LINES
    assert not [line for line in LINES if not re.fullmatch(r"[A-Za-z0-9._-]+==[A-Za-z0-9.]+( ; [^#]+)?", line)]
