"""Deploys half_plus_two to the engine that the environment names, as a person would, and asks it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import requests

from support.cli import Ended, in_process
from support.containers import PROJECT

NAME = f"deployer-{PROJECT}.local-half_plus_two"
"""The container of the deployment."""


def deployer(*arguments: str, cwd: Path) -> Ended:
    return in_process(*arguments, cwd=cwd)


def up(project: Path, *arguments: str) -> Any:
    ended = deployer("up", *arguments, "--json", "-q", cwd=project)
    assert ended.code == 0, ended.err + ended.out
    return ended.json


def ask(endpoints: dict[str, str], value: float) -> float:
    url = f"{endpoints['rest']}/v1/models/half_plus_two:predict"
    return requests.post(url, json={"instances": [value]}, timeout=60).json()["predictions"][0]


def refused(ended: Ended, code: int, *says: str) -> None:
    assert ended.code == code, ended.err + ended.out
    for text in says:
        assert text in ended.err, ended.err
