"""Notices about the engine: why it was chosen, and a variable that overrides the file."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from deployer.config.options import Settings
from deployer.config.origins import Origins
from deployer.config.spec import Docker, Spec
from deployer.results.deployment import Deployment, Endpoints
from deployer.rollout.notices.engine import notices
from deployer.rollout.workspace import Workspace

DEPLOYED = Deployment(
    "m", "local", "embedded", "r1", "serving", (), Endpoints("", ""), 8501, 8500, "", "", True, 1, Path()
)


def workspace(selected: str, problem: str = "", origins: Origins | None = None, **spec: Any) -> Workspace:
    engine: Any = SimpleNamespace(traits=SimpleNamespace(name=selected, address="", selected_by=""))
    return Workspace(Spec(name="m", **spec), (engine,), Settings(), problem, origins=origins or Origins())


def test_the_embedded_engine_is_noted_when_it_is_chosen_and_not_later():
    without_docker = workspace("embedded", "Docker is not installed")
    (noted,) = notices(without_docker, None)
    assert "embedded" in noted
    assert "Docker is not installed" in noted
    assert list(notices(without_docker, DEPLOYED)) == []


def test_docker_is_noted_when_it_is_chosen_with_the_image():
    (noted,) = notices(workspace("docker", docker=Docker(image="serving:1")), None)
    assert "docker" in noted
    assert "serving:1" in noted
    assert list(notices(workspace("docker", engine="docker"), None)) == []


def test_a_docker_engine_that_a_setting_selects_is_noted_with_its_address():
    chosen = workspace("docker")
    traits = SimpleNamespace(
        name="docker",
        address="tcp://prod.example:2376",
        selected_by="DOCKER_CONTEXT=prod",
        state_dir=Path("/nonexistent"),
        project="p",
    )
    (noted,) = notices(dataclasses.replace(chosen, engines=(SimpleNamespace(traits=traits),)), None)
    assert "the docker engine at tcp://prod.example:2376 (DOCKER_CONTEXT=prod) was chosen" in noted


@pytest.mark.parametrize(
    ("in_file", "variables", "options", "noted"),
    [
        ({"engine": "embedded"}, {"engine": "DEPLOYER_ENGINE"}, {}, True),
        ({"engine": "docker"}, {"engine": "DEPLOYER_ENGINE"}, {}, False),
        ({"engine": "embedded"}, {"engine": "DEPLOYER_ENGINE"}, {"engine": "--engine"}, False),
        ({"engine": "embedded"}, {}, {"engine": "--engine"}, False),
        ({}, {"engine": "DEPLOYER_ENGINE"}, {}, False),
        ({"engine": "docker"}, {}, {}, False),
    ],
)
@pytest.mark.parametrize("observed", [None, DEPLOYED])
def test_a_variable_that_overrides_the_file_is_noted(in_file, variables, options, noted, observed):
    origins = Origins("deployer.toml", in_file, variables, options)
    found = list(notices(workspace("docker", origins=origins, engine="docker"), observed))
    assert found == (["DEPLOYER_ENGINE=docker overrides engine = embedded in deployer.toml"] if noted else [])
