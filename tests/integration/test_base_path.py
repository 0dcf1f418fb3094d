"""Directories as TensorFlow Serving is given them: `NAME/VERSION/saved_model.pb`, made by another tool."""

from __future__ import annotations

import re
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from support.cli import ANY_PORTS, Ended, in_process
from support.world import MODELS, servers

import deployer
from deployer.errors import UsageError

VERSIONS = MODELS / "half_plus_two"


def served(directory: Path, *versions: int) -> Path:
    """A base path with these versions, each with the bytes of one that is there."""
    for version in versions:
        shutil.copytree(VERSIONS / str(version % 3 + 1), directory / str(version))
    return directory


def exported(project: Path, source: str) -> Any:
    ended = in_process("export", source, "--json", "-q", cwd=project)
    assert ended.code == 0, ended.err
    return ended.json["model"]["version"], ended.json["created"]


def up(project: Path, target: str) -> Ended:
    return in_process("up", target, *ANY_PORTS, "--json", "-q", cwd=project)


def test_the_newest_version_is_taken_and_keeps_its_number(empty_project: Path) -> None:
    base = served(empty_project / "elsewhere" / "half", 4, 12)
    assert exported(empty_project, "elsewhere/half") == (12, True)
    assert exported(empty_project, "elsewhere/half/12") == (12, False)
    served(base, 20)
    assert exported(empty_project, "elsewhere/half") == (20, True)
    assert exported(empty_project, "elsewhere/half/4") == (21, True), "a lower number is no newer version"
    inspected = in_process("inspect", "elsewhere/half", "--json", cwd=empty_project)
    assert inspected.json["model"]["version"] == 20


def test_a_version_that_another_tool_put_into_the_store_is_exported_from_there(empty_project: Path) -> None:
    served(empty_project / "models" / "half", 1, 3)
    refused = up(empty_project, "half")
    assert refused.code == 8
    hint = refused.json["error"]["hint"]
    (cure,) = re.findall(r"deployer up (\S+) makes", hint)
    assert (cure, "--skip-gate" in hint) == ("models/half/3", True)
    assert not servers(empty_project), "nothing was started for it"
    first = up(empty_project, cure)
    assert first.code == 0, first.err
    assert (first.json["models"][0]["versions"], first.json["plan"]["change"]) == ([4], "create")
    again = up(empty_project, "models/half")
    assert (again.json["models"][0]["versions"], again.json["plan"]["change"]) == ([4], "nothing")


def test_the_same_from_python_with_paths_and_arrays(empty_project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(empty_project)  # the project is called like the working directory
    settings = deployer.Settings(
        models_dir=empty_project / "models", state_dir=empty_project / ".deployer", rest_port=0, grpc_port=0
    )
    base = served(empty_project / "half", 4)
    made = deployer.up(base, settings=settings)
    assert [model.versions for model in made.models] == [(4,)]
    assert deployer.inspect(base, settings=settings).model.version == 4
    array = np.array([2.0, 4.0], np.float32)
    assert deployer.predict("half", {"instances": array}, settings=settings) == {"predictions": [4.0, 5.0]}
    assert deployer.predict("half", {"instances": [array[0]]}, settings=settings) == {"predictions": [4.0]}
    with pytest.raises(UsageError, match="cannot be written as JSON: object has no JSON"):
        deployer.predict("half", {"instances": [object()]}, settings=settings)
