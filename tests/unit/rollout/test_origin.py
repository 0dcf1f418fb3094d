"""A deployment of another directory of the same project: where it came from, and what it serves."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from support.results import DEPLOYMENT, MODEL

from deployer.config.options import Settings
from deployer.config.spec import Spec
from deployer.results.served import ServedModel
from deployer.rollout import lost_versions, other_deployments
from deployer.rollout.workspace import Workspace


def workspace(directory: Path) -> Workspace:
    engine: Any = SimpleNamespace(traits=SimpleNamespace(state_dir=directory / ".deployer"))
    spec = Spec(state_dir=directory / ".deployer", models_dir=directory / "models")
    return Workspace(spec, (engine,), Settings())


@pytest.mark.parametrize(
    ("release", "origin"),
    [
        ("own/.deployer/docker/local@shop/m/r", None),
        ("link/.deployer/docker/local@shop/m/r", None),
        ("other/.deployer/docker/local@shop/m/r", "other/.deployer"),
    ],
)
def test_the_origin_is_the_state_directory_of_another_directory(tmp_path, release, origin):
    (tmp_path / "own").mkdir()
    (tmp_path / "link").symlink_to("own")
    observed = dataclasses.replace(DEPLOYMENT, directory=tmp_path / release)
    found = other_deployments.origin(workspace(tmp_path / "own"), observed)
    assert found == (tmp_path / origin if origin else None)
    hint = other_deployments.own_project_hint(workspace(tmp_path / "own"), observed)
    assert (str(found) in hint and "set project" in hint) if found else not hint


def test_a_deployment_without_a_known_directory_has_no_origin(tmp_path):
    observed = dataclasses.replace(DEPLOYMENT, directory=Path())
    assert other_deployments.origin(workspace(tmp_path), observed) is None


@pytest.mark.parametrize(
    ("store", "digest", "version", "serves"),
    [
        ("own/models", "other", 1, True), (None, "other", 1, True), ("other/models", "other", 1, False),
        ("other/models", MODEL.digest, 1, True), ("other/models", "", 1, True), ("own/models", MODEL.digest, 2, False),
    ],
)  # fmt: skip
def test_another_store_serves_a_version_where_the_digest_is_the_same_or_unknown(
    tmp_path, store, digest, version, serves
):
    observed = dataclasses.replace(DEPLOYMENT, store=tmp_path / store if store else None)
    served, stored = ServedModel("m", (1,), (), (digest,)), dataclasses.replace(MODEL, version=version)
    assert lost_versions.serves(workspace(tmp_path / "own"), observed, served, stored) is serves
